-- The milliseconds until the next try is due.
-- KEYS failures.
local till = redis.call('HGET', KEYS[1], 'until')
if not till then
  return 0
end
local t = redis.call('TIME')
return math.max(tonumber(till) - t[1] * 1000 - math.floor(t[2] / 1000), 0)
