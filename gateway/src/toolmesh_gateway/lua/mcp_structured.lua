-- Adds `structuredContent` to the results of tool calls. The bridge gives an answer as text alone,
-- and clients refuse a tool that lists an output schema but answers without such content. The text
-- is a JSON object as a JSON string: without its escapes it is the content.
local RESULT = '^(.-"result":{)("content":%[{"text":"(.*)","type":"text"}%],"isError":false}})$'
local UNESCAPED = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", n = "\n", r = "\r", t = "\t" }

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(":status") ~= "200" then return end
  local body = handle:body()
  if body == nil then return end
  local before, rest, text = body:getBytes(0, body:length()):match(RESULT)
  if text == nil then return end
  local content = text:gsub("\\(.)", UNESCAPED)
  local whole = before .. '"structuredContent":' .. content .. "," .. rest
  headers:replace("content-length", tostring(body:setBytes(whole)))
end
