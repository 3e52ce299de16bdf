-- GCRA: takes one from an allowance. 0 if it was granted, else the microseconds until it would be.
-- KEYS rate; ARGV microseconds per grant, burst.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step
local wait = arrival - step * burst - now
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1)
return 0
