-- Finishes answers of status 400 and 403; no other answer comes here.
--   400: the transcoder names the field at fault only in words: it is copied to where it belongs.
--   403 of an MCP tool call: the bridge would keep the status, at which MCP clients stop reading;
--   with another one they get what it says, as the tool's error.
-- Each gives the field's name, or that of the message it is in and its own.
local PATTERNS = {
  'Could not find field \\"(.-)\\" in the ',
  '"description":"([%w_.%[%]]*): invalid value Starting an? %w+ on a scalar field for type ([%w_]+)',
  '"description":"([%w_.%[%]]+): invalid value ',
}

local function field_at_fault(text)
  for _, pattern in ipairs(PATTERNS) do
    local outer, inner = text:match(pattern)
    if inner then return outer == "" and inner or outer .. "." .. inner end
    if outer then return outer end
  end
  return nil
end

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(":status") == "403" then
    local note = handle:streamInfo():dynamicMetadata():get("toolmesh")
    if note and note.door == "mcp" then headers:replace(":status", "400") end
    return
  end
  local body = handle:body()
  if body == nil then return end
  local text = body:getBytes(0, body:length())
  local field = field_at_fault(text)
  if field == nil then return end
  local named = text:gsub('"field":""', function() return '"field":"' .. field .. '"' end, 1)
  headers:replace("content-length", tostring(body:setBytes(named)))
end
