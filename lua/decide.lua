-- Judges and counts one batch of requests in one atomic step. The script is cells.lua, sets.lua, events.lua,
-- origins.lua, this file, decide-judge.lua and decide-write.lua, one behind the other.
--
-- KEYS     the batch's entity hashes, each once; then the keys of its events, each once
-- ARGV[1]  the batch as big-endian unsigned 16-bit words (see below)
-- ARGV[2…] for each variant of V: `|field|field|…` of every rule in force on its tuple,
--          then the field of each of its counters, `<rule>/<window in ms>`
-- returns  one flat array of integers: now in ms, clock steps corrected, then for each request:
--            code = verdict + 4 * trips + 1024 * (ordinal of the tightest limit + 1, or 0); -1: unreadable cell
--            the tightest limit's remaining and reset_ms, if there is one
--            for each trip: ordinal of the limit, + 65536 if it is blocked; used before this request; retry_after_ms
--            (-1: never passes)
--          a repeated event answers with 1048576 + verdict, then its retry_after_ms (-1: none);
--          an inspection with its number of limits, then used, reset_ms, blocked_ms and step of the block of each.
--          Limits are numbered from 0 over the judging uses of the request, in order.
--
-- The words: variants, groups, requests, events, ttl slack in ms (2), how long an event is remembered in ms (2); then
-- three sections.
--   V  per variant   flags (1 attempts, 2 shadow, 4 births follow), fingerprint of the tuple's fields, measure,
--                    fingerprint of its dimension, counters, limits; per counter: window (3), tick length (3), cap on
--                    pairs (0: none), [birth (3): since when the window is in force, in ms];
--                    per limit: counter from 0, max (4), verdict + 4 * steps of block_for, for each of those its
--                    length (3)
--   G  per group     key from 1, cells, then the batch-wide number of each cell's counter (from 1);
--                    cells are numbered from 1 in the order they appear here
--   R  per request   op (0 check, 1 peek, 2 record, 3 inspect; and what follows: +4 age, +8 time, +16 event, +32
--                    listing, +64 amount), cost (2), [age (3)], [time (3)], [event from 1], [listing: 1 deny, 2 allow,
--                    3 watch, then what is left of it (3), all ones: for good], [amount (4)], uses; per use: variant
--                    from 1, flags (1 judges, 2 counts, 4 member follows), the cell of each of its counters, [member
--                    (8)]
--
-- The race this prevents: two requests that both read a counter before either has written it, which is how
-- separate reads and writes admit more than the limit. All cells are decoded and all requests judged before
-- the first write, and nothing can fail after it.

-- 1. The words of the batch, at most 4,000 at a time: the Lua stack ends at 8,000.
local words, A = ARGV[1], nil
do
  local count = #words / 2
  if count <= 4000 then
    A = { unpack_('>' .. rep('H', count), words) }
  else
    A = {}
    for from = 0, count - 1, 4000 do
      local some = count - from < 4000 and count - from or 4000
      local part = { unpack_('>' .. rep('H', some), words, from * 2 + 1) }
      for i = 1, some do A[from + i] = part[i] end
    end
  end
end
local nVariants, nGroups, nRequests, nEvents = A[1], A[2], A[3], A[4]
local slack, memory = A[5] * 65536 + A[6], A[7] * 65536 + A[8]
local p = 9

-- 2. Variants: counter configuration by batch-wide counter number, limits by variant.
local vFlags, vMeasure, vCounters, vLimits, vFirst, vLimitFirst = {}, {}, {}, {}, {}, {}
local lCounter, lMax, lVerdict, lSteps = {}, {}, {}, {}
do
  local arg, c, l = 2, 0, 0
  for v = 1, nVariants do
    local flags, young = A[p], false
    if flags >= 4 then flags, young = flags - 4, true end
    local print, measure, kind, counters, limits = A[p + 1], A[p + 2], A[p + 3], A[p + 4], A[p + 5]
    vFlags[v], vMeasure[v], vCounters[v], vLimits[v], vFirst[v], vLimitFirst[v] = flags, measure, counters, limits, c, l
    local fields = ARGV[arg]
    p, arg = p + 6, arg + 1
    for _ = 1, counters do
      c = c + 1
      cWindow[c] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
      cTick[c] = (A[p + 3] * 65536 + A[p + 4]) * 65536 + A[p + 5]
      cCap[c], cMeasure[c], cKind[c], cPrint[c], cFields[c] = A[p + 6], measure, kind, print, fields
      cField[c] = ARGV[arg]
      p, arg = p + 7, arg + 1
      if young then
        cBirth[c] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
        p = p + 3
      end
    end
    for _ = 1, limits do
      l = l + 1
      lCounter[l] = A[p] + 1
      lMax[l] = ((A[p + 1] * 65536 + A[p + 2]) * 65536 + A[p + 3]) * 65536 + A[p + 4]
      local verdict = A[p + 5] % 4
      local steps = (A[p + 5] - verdict) / 4
      lVerdict[l], lSteps[l] = verdict, false
      p = p + 6
      if steps > 0 then
        local lengths = {}
        for i = 1, steps do
          lengths[i] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
          p = p + 3
        end
        lSteps[l] = lengths
      end
    end
  end
end

-- 3. Read and decode every cell and every event.
local nKeys = #KEYS - nEvents
local cellsOf, keyOf, cell = {}, {}, 0
-- Of keys that lack a field: the fields they have.
local namesOf, lacking = {}, {}
for _ = 1, nGroups do
  local k, m = A[p], A[p + 1]
  local list = cellsOf[k]
  if not list then
    list = {}
    cellsOf[k] = list
  end
  if m == 1 then
    cell = cell + 1
    local counter = A[p + 2]
    local value = pcall_('HGET', KEYS[k], cField[counter])
    if type(value) == 'table' then
      bad[cell] = true
    else
      load(cell, counter, value)
      if not value then lacking[k] = true end
    end
    list[#list + 1], keyOf[cell] = cell, KEYS[k]
  else
    -- In parts: the Lua stack holds 8,000 values.
    for from = 1, m, 4000 do
      local fields, some = {}, m - from + 1
      if some > 4000 then some = 4000 end
      for j = 1, some do fields[j] = cField[A[p + from + j]] end
      local values = pcall_('HMGET', KEYS[k], unpack(fields))
      for j = 1, some do
        cell = cell + 1
        if values.err then
          bad[cell] = true
        else
          load(cell, A[p + from + j], values[j])
          if not values[j] then lacking[k] = true end
        end
        list[#list + 1], keyOf[cell] = cell, KEYS[k]
      end
    end
  end
  p = p + 2 + m
end
for k in pairs(lacking) do
  local names = call('HKEYS', KEYS[k])
  namesOf[k] = names
  if #names > 0 then
    for _, c in ipairs(cellsOf[k]) do
      if not raw[c] and not bad[c] then seek(c, KEYS[k], names) end
    end
  end
end
local events = {}
for e = 1, nEvents do events[e] = readEvent(KEYS[nKeys + e]) end
