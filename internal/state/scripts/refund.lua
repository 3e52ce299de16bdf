-- Gives back what allow.lua took.
-- KEYS rate; ARGV microseconds.
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', used - ARGV[1]), 'KEEPTTL')
end
return 0
