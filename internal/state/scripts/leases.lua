-- Which gateways' leases live by this server's clock, and which have lapsed.
-- Third in the answer: 1 while heartbeats can't arrive, so that a lapsed lease says nothing.
-- KEYS leases, blind; ARGV optional: a gateway that gets a first lease if it has none yet, and for how many milliseconds.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[1] then
  redis.call('ZADD', KEYS[1], 'NX', now + ARGV[2], ARGV[1])
end
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local live, lapsed = {}, {}
for i = 1, #all, 2 do
  local side = tonumber(all[i + 1]) > now and live or lapsed
  side[#side + 1] = all[i]
end
return { live, lapsed, redis.call('EXISTS', KEYS[2]) }
