#!lua flags=allow-oom
-- Changes and reads the lists that operators keep: which entities are denied, allowed or watched, and until when.
--
-- KEYS[1]  hash of what is listed: `<dimension>=<value>` to `<kind> <until> <since> <bytes of by> <by><reason>`,
--          both times in ms; until 0: for good
-- KEYS[2]  sorted set of all those fields and of those gone, by the version of their last change
-- KEYS[3]  sorted set of the fields that end by themselves, by until
-- KEYS[4]  sorted set of the fields gone, by the version at which they went
-- KEYS[5]  hash: `version`, of the last change; `floor`, of the last change that was forgotten
-- ARGV[1]  what to do, and what the others are:
--          set     the field, its kind, for how long in ms (0: for good), by, reason, the most fields there may be
--          remove  fields
--          poll    a version, the most changes to tell
-- returns  set     now in ms, version, 1 if something changed, 0 if not, -1 if there is no room; until
--          remove  now in ms, version, 1 if something changed, else 0
--          poll    now in ms, version, floor, how many fields are listed; then for each change behind the version
--                  given, oldest first: field, version of the change, and what the hash has of it ('': gone)
--
-- The race this prevents: two changes at once that a reader sees in the other order, or one of them not at all. Here
-- each has a version of its own, and whoever has read to a version has seen every change up to it.
--
-- A version is the time in µs, or one more than the last where that is later. Each call ends a few listings whose time
-- is over, and forgets a few that went more than an hour ago; who has not looked since then has to start over.
local call = redis.call
local listed, changes, ends, gone, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local MOST, HOUR = 100, 3600000000

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = (micros - micros % 1000) / 1000
local known = call('HMGET', meta, 'version', 'floor')
local version, floor = tonumber(known[1] or 0), tonumber(known[2] or 0)

-- Numbers beyond 10^14 would be written with an exponent.
local function text(number) return string.format('%.0f', number) end

local function change(field)
  version = math.max(version + 1, micros)
  call('HSET', meta, 'version', text(version))
  call('ZADD', changes, text(version), field)
end

local function drop(field)
  if call('HDEL', listed, field) == 0 then return 0 end
  call('ZREM', ends, field)
  change(field)
  call('ZADD', gone, text(version), field)
  return 1
end

for _, field in ipairs(call('ZRANGE', ends, '-inf', text(now), 'BYSCORE', 'LIMIT', 0, MOST)) do drop(field) end

local old = call('ZRANGE', gone, '-inf', text(micros - HOUR), 'BYSCORE', 'LIMIT', 0, MOST, 'WITHSCORES')
for i = 1, #old, 2 do
  call('ZREM', changes, old[i])
  call('ZREM', gone, old[i])
  floor = tonumber(old[i + 1])
end
if #old > 0 then call('HSET', meta, 'floor', text(floor)) end

if ARGV[1] == 'set' then
  local field, kind, length, by, reason = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
  local before = call('HGET', listed, field)
  if not before and call('HLEN', listed) >= tonumber(ARGV[7]) then return { now, version, -1, 0 } end
  local ending = length > 0 and now + length or 0
  local told = ' ' .. #by .. ' ' .. by .. reason
  local kindBefore, toldBefore = string.match(before or '', '^(%d+) 0 %d+( .*)$')
  if ending == 0 and kindBefore == kind and toldBefore == told then return { now, version, 0, 0 } end
  call('HSET', listed, field, kind .. ' ' .. text(ending) .. ' ' .. text(now) .. told)
  if ending > 0 then call('ZADD', ends, text(ending), field) else call('ZREM', ends, field) end
  call('ZREM', gone, field)
  change(field)
  return { now, version, 1, ending }
end

if ARGV[1] == 'remove' then
  local changed = 0
  for i = 2, #ARGV do changed = math.max(changed, drop(ARGV[i])) end
  return { now, version, changed }
end

local behind = call('ZRANGE', changes, '(' .. ARGV[2], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')
local reply = { now, version, floor, call('HLEN', listed) }
for i = 1, #behind, 2 do
  reply[#reply + 1] = behind[i]
  reply[#reply + 1] = tonumber(behind[i + 1])
  reply[#reply + 1] = call('HGET', listed, behind[i]) or ''
end
return reply
