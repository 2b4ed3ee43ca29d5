-- Finishes answers of status 400 and 403; no other answer comes here.
--   400: the transcoder names the field at fault only in words: it is copied to where it belongs.
--   Some of its words leave out what a caller needs: they are said in others.
--   403 of an MCP tool call: the bridge would keep the status, at which MCP clients stop reading;
--   with another one they get what it says, as the tool's error.
-- Above this text stands a table, written by the gateway:
--   ENUMS  full name of an enum -> the names of its values, as they are told
-- All that is read and written here is the inside of JSON strings, escapes and all.
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local BACKSLASH = 92
-- What a caller sent is repeated in the words, megabytes of it: patterns see so much of it alone,
-- for some take a time that grows with the square of the length.
local MOST_SEEN = 1000

-- Each gives the field's name, or that of the message it is in and its own.
local FIELDS = {
  '^Could not find field \\"(.-)\\" in the ',
  "^([%w_.%[%]]*): invalid value Starting an? %w+ on a scalar field for type ([%w_]+)",
  "^([%w_.%[%]]+): invalid value ",
}
local OF_ENUM = "() for type type%.googleapis%.com/([%w_.]+)$"
-- What is wrong, a piece of the body, and a mark below the place.
local NOT_JSON = "^([^\\]*)%.\\n(.*)\\n( *)%^$"
local BYTE_ORDER_MARK = "\239\187\191"

local function field_at_fault(said)
  local seen = sub(said, 1, MOST_SEEN)
  for _, pattern in ipairs(FIELDS) do
    local outer, inner = match(seen, pattern)
    if inner then return outer == "" and inner or outer .. "." .. inner end
    if outer then return outer end
  end
  return ""
end

-- What is left of a text without its first characters, of which each escape is one.
local function behind(text, count)
  local at = 1
  for _ = 1, count do
    if byte(text, at) ~= BACKSLASH then
      at = at + 1
    else
      at = match(text, "^\\u%x%x%x%x()", at) or at + 2
    end
  end
  return sub(text, at)
end

local function in_other_words(said)
  local unseen = math.max(0, #said - MOST_SEEN)
  local behind_value, enum = match(sub(said, unseen + 1), OF_ENUM)
  if ENUMS[enum] then
    local refused = sub(said, 1, unseen + behind_value - 1)
    local where, value = match(refused, "^([%w_.%[%]]+)()")
    -- The transcoder does not count the values of a list: it is always the first that is at fault.
    where = where and where:gsub("%[%d+%]$", "")
    return where and where .. sub(refused, value) .. "; give one of " .. ENUMS[enum] or said
  end
  if said == ": Root element must be a message." then return "the body must be a JSON object" end
  if said == ": Proto field is not repeating, cannot start list." then
    return "a list stands where one value belongs"
  end
  if match(said, "^Encountered non UTF%-8") then
    return "the body is not valid JSON: not all of its bytes are UTF-8"
  end
  if unseen > 0 then return said end
  local wrong, piece, spaces = match(said, NOT_JSON)
  if wrong == nil then return said end
  local rest = behind(piece, #spaces)
  if sub(rest, 1, #BYTE_ORDER_MARK) == BYTE_ORDER_MARK then
    return "the body is not valid JSON: it must not begin with a byte order mark"
  end
  local place = rest == "" and "its end" or "`" .. rest .. "`"
  return "the body is not valid JSON: " .. wrong .. ", at " .. place
end

local function replaced(text, old, new)
  local pieces, at = {}, 1
  local first, last = find(text, old, at, true)
  while first do
    pieces[#pieces + 1] = sub(text, at, first - 1) .. new
    at = last + 1
    first, last = find(text, old, at, true)
  end
  return table.concat(pieces) .. sub(text, at)
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
  local said = match(text, '"description":"(.-)","field":""')
  if said == nil then return end
  local words = in_other_words(said)
  local field = '"field":"' .. field_at_fault(words) .. '"'
  local finished = text:gsub('"field":""', function() return field end, 1)
  if words ~= said then finished = replaced(finished, said, words) end
  headers:replace("content-length", tostring(body:setBytes(finished)))
end
