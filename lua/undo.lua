-- Takes back what an event counted, once. The script is names.lua, cells.lua, sets.lua, events.lua, takeback.lua and
-- this file, one behind the other.
--
-- KEYS     the event's keys: of its check, of its record
-- ARGV     the cost and the amount to take back, '0' for all; the caller's time in ms, '' for Redis time; how long an
--          event is remembered, and what is added to a TTL, in ms
-- returns  1 if it was counted and is now taken back, 0 if it had been taken back before or has not come yet: then it
--          will not be counted when it comes; -1 if another version wrote the event or one of its cells
--
-- The keys that an event's counters lie in are found in the event, in the slot of an entity of its request.
--
-- The race this prevents: two undos that both find the event counted, and a check that counts what was just undone.
local clock = call('TIME')
local now = tonumber(ARGV[3]) or clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000
local share = { [0] = tonumber(ARGV[1]), tonumber(ARGV[2]), 0 }
local memory, slack = tonumber(ARGV[4]), tonumber(ARGV[5])

local found, known, toUndo = {}, false, {}
for i = 1, #KEYS do
  local e = readEvent(KEYS[i])
  if e.bad then return -1 end
  if now >= e.ends then e.answered, e.undone, e.at, e.counted = false, false, now, '' end
  found[i] = e
  known = known or e.answered or e.undone
  if e.answered and not e.undone then toUndo[#toUndo + 1] = e end
end

-- All cells are decoded before the first is written. An event has at most one entry for each.
local cellAt = {}
local function cellOf(key, field, measure)
  local name = #key .. ' ' .. key .. field
  local c = cellAt[name]
  if not c then
    c = openCell(key, field, measure)
    cellAt[name] = c
  end
  return c
end

for _, e in ipairs(toUndo) do
  local text, from = e.counted, 1
  while from <= #text do
    local length = unpack_('>I2', text, from)
    local key = sub(text, from + 2, from + 1 + length)
    from = from + 2 + length
    length = byte(text, from)
    local field = sub(text, from + 1, from + length)
    local measure, time, weight, own
    measure, time, weight, own, from = unpack_('>BI6I7I2', text, from + 1 + length)
    local member
    if measure == 2 then
      member = sub(text, from, from + MEMBER - 1)
      from = from + MEMBER
    end
    local c = cellOf(key, field, measure)
    if bad[c] then return -1 end
    if last[c] and life[c] == own then
      local most = share[measure] > 0 and share[measure] < weight and share[measure] or weight
      local isTaken
      if member then isTaken = takeMember(c, member, time) else isTaken = take(c, most, time, now) end
      if isTaken then dirty[c] = true end
    end
  end
end

writeCells(now)
for _, e in ipairs(found) do
  -- What has come in neither mode is kept from counting when it comes.
  if not known or e.answered and not e.undone then
    e.undone = true
    if now + memory > e.ends then e.ends = now + memory end
    writeEvent(e, now, slack)
  end
end
return #toUndo > 0 and 1 or 0
