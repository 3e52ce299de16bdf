-- Books a failure and returns the milliseconds until the next try is due: none for the first few, then doubling.
-- KEYS failures; ARGV how many are free, first delay ms, longest delay ms, ms after which all is forgotten.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
local delay = 0
if n > tonumber(ARGV[1]) then
  delay = math.min(ARGV[2] * 2 ^ math.min(n - ARGV[1] - 1, 40), tonumber(ARGV[3]))
end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + delay))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return delay
