-- Counts a try before it is judged. 0 if it may be judged, else the milliseconds until a try may be; that one isn't counted.
-- KEYS tries from one place, tries from all unknown places; ARGV how many are free for each, first delay ms, longest delay ms,
-- ms after which all is forgotten, ms for which a place stays known.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local known = redis.call('HGET', KEYS[1], 'known')
local wait = tonumber(redis.call('HGET', KEYS[1], 'until') or 0) - now
if not known then
  wait = math.max(wait, tonumber(redis.call('HGET', KEYS[2], 'until') or 0) - now)
end
if wait > 0 then
  return wait
end
local function count(key, free, keep)
  local n = tonumber(redis.call('HGET', key, 'n') or 0)
  if now - tonumber(redis.call('HGET', key, 'at') or 0) > tonumber(ARGV[5]) then
    n = 0
  end
  n = n + 1
  local delay = 0
  if n > free then
    delay = math.min(ARGV[3] * 2 ^ math.min(n - free - 1, 40), tonumber(ARGV[4]))
  end
  redis.call('HSET', key, 'n', n, 'at', string.format('%.0f', now), 'until', string.format('%.0f', now + delay))
  redis.call('PEXPIRE', key, keep)
end
count(KEYS[1], tonumber(ARGV[1]), known and ARGV[6] or ARGV[5])
if not known then
  count(KEYS[2], tonumber(ARGV[2]), ARGV[5])
end
return 0
