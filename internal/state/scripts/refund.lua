-- Gives back one that allow.lua took.
-- KEYS rate; ARGV microseconds per grant.
local arrival = tonumber(redis.call('GET', KEYS[1]) or 0)
if arrival > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', arrival - ARGV[1]), 'KEEPTTL')
end
return 0
