-- Refuses JSON bodies with fields that the method does not know: the transcoder would drop them
-- without a word, and a caller would never learn of the typing error. What is not JSON at all is
-- left to the transcoder, which says so. Above this text stand three tables, written by the gateway:
--   METHODS   "<verb> <path>" -> number of the type of the body
--   TEMPLATES list of {verb, Lua pattern of the path, number of the type of the body}
--   TYPES     number -> {field name -> number of the field's type, 0 for a value without fields};
--             a map from strings has one field, "*"
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local QUOTE, APOSTROPHE, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 34, 39, 123, 125, 91, 93
local COMMA, COLON = 44, 58
local SPECIAL = { [QUOTE] = '["\\]', [APOSTROPHE] = "['\\]" }
local MAX_DEPTH = 100

-- Each of these takes the place where something starts and returns the place after its end, or nil
-- when it is not JSON; the second result is the unknown field, if one was found.

local function after_string(text, at, quote)
  at = at + 1
  while true do
    at = find(text, SPECIAL[quote], at)
    if at == nil then return nil end
    if byte(text, at) == quote then return at + 1 end
    at = at + 2
  end
end

-- For what may hold anything: only brackets and strings matter.
local function after_anything(text, at)
  local depth = 0
  while true do
    at = find(text, "[\"'{}%[%]]", at)
    if at == nil then return nil end
    local c = byte(text, at)
    if SPECIAL[c] then
      at = after_string(text, at, c)
      if at == nil then return nil end
    else
      depth = (c == OPEN or c == OPEN_LIST) and depth + 1 or depth - 1
      at = at + 1
      if depth == 0 then return at end
    end
  end
end

local after_value

local function after_object(text, at, fields, depth)
  at = find(text, "%S", at + 1)
  while at do
    local c = byte(text, at)
    if c == CLOSE then return at + 1 end
    if c == COMMA then
      at = find(text, "%S", at + 1)
    else
      local name, after
      if SPECIAL[c] then
        after = after_string(text, at, c)
        name = after and sub(text, at + 1, after - 2)
      else
        name, after = match(text, "^([%a_$][%w_$]*)()", at)
      end
      at = after and find(text, "%S", after)
      if at == nil or byte(text, at) ~= COLON then return nil end
      local kind = fields[name] or fields["*"]
      if kind == nil then return nil, name end
      local unknown
      at, unknown = after_value(text, at + 1, TYPES[kind], depth)
      if at == nil then
        return nil, unknown and (fields["*"] and unknown or name .. "." .. unknown)
      end
      at = find(text, "%S", at)
    end
  end
  return nil
end

function after_value(text, at, fields, depth)
  at = find(text, "%S", at)
  if at == nil or depth > MAX_DEPTH then return nil end
  local c = byte(text, at)
  if SPECIAL[c] then return after_string(text, at, c) end
  if c ~= OPEN and c ~= OPEN_LIST then
    local after = find(text, "[,%]}%s]", at) or #text + 1
    -- Whoever calls would come here for ever if nothing were something.
    return after > at and after or nil
  end
  if fields == nil then return after_anything(text, at) end
  if c == OPEN then return after_object(text, at, fields, depth + 1) end
  at = find(text, "%S", at + 1)
  while at do
    c = byte(text, at)
    if c == CLOSE_LIST then return at + 1 end
    if c == COMMA then
      at = find(text, "%S", at + 1)
    else
      local unknown
      at, unknown = after_value(text, at, fields, depth + 1)
      if at == nil then return nil, unknown end
      at = find(text, "%S", at)
    end
  end
  return nil
end

local function body_type(verb, path)
  path = match(path, "^[^?]*")
  local kind = METHODS[verb .. " " .. path]
  if kind then return kind end
  for i = 1, #TEMPLATES do
    local template = TEMPLATES[i]
    if template[1] == verb and find(path, template[2]) then return template[3] end
  end
  return nil
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local fields = TYPES[body_type(headers:get(":method"), headers:get(":path"))]
  if fields == nil then return end
  local body = handle:body()
  if body == nil then return end
  local _, unknown = after_value(body:getBytes(0, body:length()), 1, fields, 0)
  if unknown then
    handle:respond({ [":status"] = "400" }, 'Could not find field "' .. unknown .. '" in the request.')
  end
end
