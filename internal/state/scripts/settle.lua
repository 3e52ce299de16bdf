-- Takes back a counted try that didn't fail. One that passed also makes its place known, and ends all delays.
-- KEYS tries from one place, tries from all unknown places; ARGV 1 if it passed, ms for which a place stays known.
local known = redis.call('HGET', KEYS[1], 'known')
local function back(key)
  if tonumber(redis.call('HGET', key, 'n') or 0) > 0 then
    redis.call('HINCRBY', key, 'n', -1)
    redis.call('HDEL', key, 'until')
  end
end
if not known then
  back(KEYS[2])
end
if ARGV[1] == '1' then
  redis.call('HDEL', KEYS[1], 'n', 'at', 'until')
  redis.call('HSET', KEYS[1], 'known', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  back(KEYS[1])
end
return 0
