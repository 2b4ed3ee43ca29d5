-- Moves a token from the query (`access_token`) or a cookie (`toolmesh_token`) into the
-- authorization header, and takes it out of where it was so that it goes no further. No cookie does.
function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  local token = nil
  local target, query = path:match("^([^?]*)%?(.*)$")
  if query ~= nil then
    local kept = {}
    for pair in query:gmatch("[^&]+") do
      local value = pair:match("^access_token=(.*)$")
      if value ~= nil then token = value else kept[#kept + 1] = pair end
    end
    if token ~= nil then
      headers:replace(":path", #kept > 0 and target .. "?" .. table.concat(kept, "&") or target)
    end
  end
  local cookies = headers:get("cookie")
  if cookies ~= nil then
    for pair in cookies:gmatch("[^;%s]+") do
      token = token or pair:match("^toolmesh_token=(.*)$")
    end
    headers:remove("cookie")
  end
  if token ~= nil and headers:get(":method") == "GET" and headers:get("authorization") == nil
    and headers:get("x-api-key") == nil then
    headers:replace("authorization", "Bearer " .. token)
  end
  -- The route on arrival was that for requests with a token elsewhere.
  handle:clearRouteCache()
end
