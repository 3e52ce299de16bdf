-- Sets a gateway's place in a room's route, unless a higher number was there. 1 if it was set.
-- A route that begins here is marked as unsettled: other gateways may have yet to attach.
-- KEYS route; ARGV gateway, number, "+" or "-", unsettled until (Unix ms), TTL ms of a route in use, TTL ms of an empty one,
-- how many fields a route may have before the places of detached gateways are dropped.
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and tonumber(string.sub(old, 1, -2)) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSETNX', KEYS[1], '?', ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
local used, gone = false, {}
for i = 1, #all, 2 do
  local side = string.sub(all[i + 1], -1)
  if side == '+' then
    used = true
  elseif side == '-' and all[i] ~= ARGV[1] then
    gone[#gone + 1] = all[i]
  end
end
if #all / 2 > tonumber(ARGV[7]) and #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
end
redis.call('PEXPIRE', KEYS[1], used and ARGV[5] or ARGV[6])
return 1
