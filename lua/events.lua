-- Events: what is remembered of a request with an event_id. A part of the scripts decide and undo.
--
-- The value of an event's key, big-endian:
--   version 1 | flags: 1 answered, 2 undone | verdict | retry_after in ms, EXACT for none (7) | when it was answered
--   (6) | until when it is remembered (6), both in ms | for each counter that it moved: length of the key (2), key,
--   length of the field (1), field, measure (1), time of its tick in ms (6), weight (7), life of the cell (2), [member
--   (16)]
-- Undone without an answer is a tombstone: the undo came first.

-- Whether Redis says that a key lies on another node of the cluster, or cannot be reached now; what else it says of one
-- is that it holds something else.
local function isAway(value)
  return type(value) == 'table' and not find(value.err, 'WRONGTYPE', 1, true)
end

local EVENT = '>BBBI7I6I6'

-- An event as it lies in Redis; `bad` if another version wrote it.
local function readEvent(key)
  local value = pcall_('GET', key)
  local e = { key = key, answered = false, undone = false, verdict = 0, retry = EXACT, at = 0, ends = 0, counted = '' }
  if not value then return e end
  local version, flags, verdict = 0, 0, 0
  if type(value) == 'string' and #value >= 22 then
    version, flags, verdict, e.retry, e.at, e.ends = unpack_(EVENT, value)
  end
  e.away = isAway(value)
  if version ~= 1 or flags > 3 or verdict > 3 or e.retry > EXACT then
    e.bad = true
    return e
  end
  e.answered, e.undone, e.verdict, e.counted = flags % 2 == 1, flags >= 2, verdict, sub(value, 23)
  return e
end

-- What undo takes back: `weight` in the cell `field` of `key`, or the `member` that the event put into it.
local function countedOf(key, field, measure, time, weight, own, member)
  return pack('>I2', #key) .. key .. pack('>B', #field) .. field .. pack('>BI6I7I2', measure, time, weight, own)
    .. (member or '')
end

local function writeEvent(e, now, slack)
  local flags = (e.answered and 1 or 0) + (e.undone and 2 or 0)
  local left = e.ends - now
  call('SET', e.key, pack(EVENT, 1, flags, e.verdict, e.retry, e.at, e.ends) .. e.counted, 'PX',
    string.format('%.0f', slack + (left > 1 and left or 1)))
end
