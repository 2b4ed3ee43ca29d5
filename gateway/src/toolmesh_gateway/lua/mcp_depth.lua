-- Refuses an MCP body that is empty or nested too deep: the bridge reads and frees JSON by recursion, and one
-- body of enough brackets would end the whole gateway. What is not JSON at all is left to the bridge,
-- which stops at the place where this count may begin to err.
local byte, find = string.byte, string.find
local QUOTE, OPEN, OPEN_LIST = 34, 123, 91
local MAX_DEPTH = 100

local function too_deep(text)
  local depth, at = 0, 1
  while true do
    at = find(text, '["{}%[%]]', at)
    if at == nil then return false end
    local c = byte(text, at)
    if c == QUOTE then
      repeat
        at = find(text, '["\\]', at + 1)
        if at == nil then return false end
        local closed = byte(text, at) == QUOTE
        if not closed then at = at + 1 end
      until closed
    elseif c == OPEN or c == OPEN_LIST then
      depth = depth + 1
      if depth > MAX_DEPTH then return true end
    else
      depth = depth - 1
    end
    at = at + 1
  end
end

function envoy_on_request(handle)
  local body = handle:body()
  if body == nil or body:length() == 0 then
    -- The bridge would wait for one for ever.
    handle:respond({ [":status"] = "400" }, "The body is empty: send one request as JSON-RPC.")
  elseif too_deep(body:getBytes(0, body:length())) then
    handle:respond({ [":status"] = "400" }, "The JSON is nested deeper than " .. MAX_DEPTH .. " levels.")
  end
end
