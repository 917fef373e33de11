-- Judges and counts one batch of requests in one atomic step. The script is a function `general`, made of names.lua,
-- decide-general.lua, cells.lua, sets.lua, events.lua, origins.lua, decide-judge.lua and decide-write.lua; then
-- names.lua once more, this file and decide-plain.lua.
--
-- KEYS     the batch's entity hashes, each once; then the keys of its events, each once
-- ARGV[1]  numbers, big-endian, 7 bytes each (see below)
-- ARGV[2]  words, big-endian, unsigned, 16 bits each
-- ARGV[3…] for each variant of V: `|field|field|…` of every rule in force on its tuple,
--          then the field of each of its counters, `<rule>/<window in ms>`
-- returns  one flat array of integers: now in ms, clock steps corrected, then for each request:
--            code = verdict + 4 * trips + 1024 * (ordinal of the tightest limit + 1, or 0); -1: unreadable cell; -2: a
--            key that this node does not serve, or not now
--            the tightest limit's remaining and reset_ms, if there is one
--            for each trip: ordinal of the limit, + 65536 if it is blocked; used before this request; retry_after_ms
--            (-1: never passes)
--          a repeated event answers with 1048576 + verdict, then its retry_after_ms (-1: none);
--          an inspection with its number of limits, then used, reset_ms, blocked_ms and step of the block of each.
--          Limits are numbered from 0 over the judging uses of the request, in order.
--
-- The numbers: variants, groups, requests, events, ttl slack in ms, how long an event is remembered in ms, the time of
-- the first request in ms where the callers give it, else 0; then
--   V  per variant   flags (1 attempts, 2 shadow, 4 births follow), fingerprint of the tuple's fields, measure,
--                    fingerprint of its dimension, counters, limits; per counter: window, tick length, cap on pairs
--                    (0: none), [birth: since when the window is in force, in ms]; per limit: counter from 1, max,
--                    verdict, steps of block_for, the length of each of those
-- The words, two sections; a number in brackets is how many words a value takes:
--   G  per group     key from 1, cells, then the batch-wide number of each cell's counter (from 1), + 32768 if the
--                    variants of the requests give it several;
--                    cells are numbered from 1 in the order they appear here
--   R  per request   op (0 check, 1 peek, 2 record, 3 inspect; and what follows: +4 age, +8 time, +16 event, +32
--                    listing, +64 amount, +256 a reservation, +512 blocks), cost (2), [age (3)], [time (3)], [event from 1], [listing: 1 deny, 2 allow,
--                    3 watch, then what is left of it (3), all ones: for good], [amount (4)], uses; per use: variant
--                    from 1, flags (1 judges, 2 counts, 4 member follows), the cell of each of its counters, [member
--                    (8)].
--                    A reservation begins no block: other nodes judge the rest of its request. With 512 it counts
--                    nothing and begins the blocks that it would.
--                    Or op 128, brief: a check with nothing of that but +8 time, by rules that each count and judge
--                    it by one limit, enforced, of a count: cost (2), [time (3)], uses; per use: variant from 1, cell
--
-- The race this prevents: two requests that both read a counter before either has written it, which is how
-- separate reads and writes admit more than the limit. All cells are read and all requests judged before the first
-- write, and nothing can fail after it.

-- 1. Numbers and words of the batch. Of words at most 4,000 at a time: the Lua stack ends at 8,000.
local V, A = ARGV[1], ARGV[2]
local words = A
do
  local count = #V / 7
  if count <= 1000 then
    V = { unpack_('>' .. rep('I7', count), V) }
  else
    local parts = {}
    for i = 1, count do parts[i] = unpack_('>I7', V, i * 7 - 6) end
    V = parts
  end
  count = #words / 2
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

local clock = call('TIME')
local redisNow = clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000
-- The time of the request being judged; the first one's to begin with.
local now = V[7] > 0 and V[7] or redisNow

-- 2. Counters and variants, each one table. Where things lie in them:
-- of a counter, the tick length, the ticks of a window, the tick of `now`, how many bytes its plain cells begin with,
-- their shapes by those bytes once there is one, the shape of a new cell, the least max of its limits, field,
-- fingerprint of the tuple, measure, and when a cell that is hit now ends, in the words of Redis; then, for the general
-- part alone, cap on pairs, window, fingerprint of the dimension, fields of the tuple, birth;
local TICK, TICKS, NOW, HEAD, SHAPES, NEW, MOST, FIELD, PRINT, MEASURE, ENDS = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
-- of a variant, flags, measure, how many counters it has, for each limit its counter from 1, max, verdict and steps,
-- and the max of its first one.
local FLAGS, KIND, COUNTERS, LIMITS, MAX = 1, 2, 3, 4, 5
-- The first tables of many have room for a few: each time that one grows, it is laid out anew.
local counters, variants = { nil, nil, nil, nil }, { nil, nil, nil, nil }
do
  local arg, c, i = 3, 0, 8
  for v = 1, V[1] do
    local flags, print, measure, kind, n, limits = V[i], V[i + 1], V[i + 2], V[i + 3], V[i + 4], V[i + 5]
    local fields, ofLimits, birth, isYoung = ARGV[arg], { nil, nil, nil, nil }, false, flags > 3
    i, arg = i + 6, arg + 1
    local before = c
    for _ = 1, n do
      local window, s = V[i], V[i + 1]
      c = c + 1
      if isYoung then birth = V[i + 3] end
      counters[c] = {
        s, math.ceil(window / s), (now - now % s) / s, s > 1 and 10 or 5, false, false, EXACT,
        ARGV[arg], print, measure, false, V[i + 2], window, kind, fields, birth,
      }
      i, arg = i + (isYoung and 4 or 3), arg + 1
    end
    for l = 1, limits * 4, 4 do
      local steps, counter = V[i + 3], counters[before + V[i]]
      if V[i + 1] < counter[MOST] then counter[MOST] = V[i + 1] end
      ofLimits[l], ofLimits[l + 1], ofLimits[l + 2], ofLimits[l + 3] = V[i], V[i + 1], V[i + 2], false
      i = i + 4
      if steps > 0 then
        ofLimits[l + 3], i = { unpack(V, i, i + steps - 1) }, i + steps
      end
    end
    variants[v] = { isYoung and flags - 4 or flags, measure, n, ofLimits, ofLimits[2] }
  end
end
