#!lua
-- Forgets the counters of one entity tuple.
--
-- KEYS[1]  the entity's hash
-- ARGV[1]  the rule, or '' for all
-- returns  how many counters (fields) went
--
-- One script, so that no check can write between the look and the delete.
if ARGV[1] == '' then
  local removed = redis.call('HLEN', KEYS[1])
  redis.call('DEL', KEYS[1])
  return removed
end
local prefix, removed = ARGV[1] .. '/', 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, #prefix) == prefix then removed = removed + redis.call('HDEL', KEYS[1], field) end
end
return removed
