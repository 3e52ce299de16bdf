-- GCRA: adds what was taken elsewhere, then takes n, unless too much is taken already. Returns the microseconds until n can be taken,
-- 0 if they were; and for how many microseconds, from now on, the allowance is used.
-- KEYS rate; ARGV microseconds per grant, burst, n, taken elsewhere.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local room = step * burst
local n, elsewhere = tonumber(ARGV[3]), tonumber(ARGV[4])
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
-- What was taken elsewhere can't be refused any more. It is paid for later, but for no longer than two bursts.
local after = math.max(used, math.min(used + step * elsewhere, now + 2 * room))
local wait = after + step * n - room - now
if n == 0 or wait <= 0 then
  wait = 0
  after = after + step * n
end
if after > used then
  redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
end
return { wait, after - now }
