#!lua
-- Records which windows each rule has, and since when.
--
-- KEYS[1]  the registry's hash: `<rule>/<window in ms>` to the time it came in force, in ms
-- ARGV[…]  the fields of all counters in force
-- returns  now in ms, then for each field since when it is in force
--
-- One script, so that two services that start at once agree on the time. What is no longer in force is forgotten: when
-- it comes back it is young again, and starts from what was counted meanwhile.
local time = redis.call('TIME')
local now = time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
local known, since, reply = redis.call('HGETALL', KEYS[1]), {}, { now }
local isKnown = {}
for i = 1, #known, 2 do
  since[known[i]] = tonumber(known[i + 1])
  isKnown[string.match(known[i], '^[^/]*')] = true
end
for i = 1, #ARGV do
  local field = ARGV[i]
  reply[i + 1] = since[field]
  if not reply[i + 1] then
    -- Of a rule that is seen for the first time no window is younger than another.
    reply[i + 1] = isKnown[string.match(field, '^[^/]*')] and now or 0
    redis.call('HSET', KEYS[1], field, string.format('%.0f', reply[i + 1]))
  end
  since[field] = nil
end
for field in pairs(since) do redis.call('HDEL', KEYS[1], field) end
-- Longer than the longest window: services write it anew every day.
if #ARGV > 0 then redis.call('PEXPIRE', KEYS[1], 8640000000) end
return reply
