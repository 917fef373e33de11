#!lua flags=allow-cross-slot-keys
-- Judges and counts one batch of requests in one atomic step. The script is this file, decide-cells.lua and
-- decide-judge.lua, one behind the other.
--
-- KEYS     the batch's entity hashes, each once
-- ARGV[1]  the batch as big-endian unsigned 16-bit words (see below)
-- ARGV[2…] for each variant of V: `|field|field|…` of every rule in force on its tuple,
--          then the field of each of its counters, `<rule>/<window in ms>`
-- returns  one flat array of integers: now in ms, clock steps corrected, then for each request:
--            code = verdict + 4 * trips + 1024 * (ordinal of the tightest limit + 1, or 0); -1: unreadable cell
--            the tightest limit's remaining and reset_ms, if there is one
--            for each trip: ordinal of the limit, used before this request, retry_after_ms (-1: never passes)
--          an inspection answers with its number of limits, then used and reset_ms of each.
--          Limits are numbered from 0 over the judging uses of the request, in order.
--
-- The words: variants, groups, requests, ttl slack in ms (2); then three sections.
--   V  per variant   flags (1 attempts, 2 shadow, 4 births follow), fingerprint of the tuple's fields, counters,
--                    limits; per counter: window (3), tick length (3), cap on pairs (0: none), measure,
--                    [birth (3): since when the window is in force, in ms];
--                    per limit: counter from 0, max (4), verdict
--   G  per group     key from 1, cells, then the batch-wide number of each cell's counter (from 1);
--                    cells are numbered from 1 in the order they appear here
--   R  per request   op (0 check, 1 peek, 2 record, 3 inspect; +4 age follows, +8 time follows), cost (2),
--                    [age (3)], [time (3)], uses; per use: variant from 1, flags (1 judges, 2 counts),
--                    the cell of each of its counters
--
-- The race this prevents: two requests that both read a counter before either has written it, which is how
-- separate reads and writes admit more than the limit. All cells are decoded and all requests judged before
-- the first write, and nothing can fail after it.
--
-- A cell, one field of the hash, big-endian:
--   version 1 | flags: 0-1 measure, 2 tick length present | offset width << 4, weight width | fingerprint (2)
--   [tick length (5)] | base tick (6) | total weight (weight width + 1) | pairs: tick - base, weight

local unpack_, pack = struct.unpack, struct.pack
local byte, sub, rep, find = string.byte, string.sub, string.rep, string.find
local call, pcall_ = redis.call, redis.pcall
local EXACT = 9007199254740991
local POW = { 256, 65536, 16777216, 4294967296, 1099511627776, 281474976710656, 72057594037927936, EXACT * 2048 }

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
local nVariants, nGroups, nRequests = A[1], A[2], A[3]
local slack = A[4] * 65536 + A[5]
local p = 6

-- 2. Variants: counter configuration by batch-wide counter number, limits by variant.
local vFlags, vCounters, vLimits, vFirst = {}, {}, {}, {}
local cWindow, cTick, cCap, cMeasure, cField, cPrint, cFields, cBirth = {}, {}, {}, {}, {}, {}, {}, {}
local lCounter, lMax, lVerdict, vLimitFirst = {}, {}, {}, {}
do
  local arg, c, l = 2, 0, 0
  for v = 1, nVariants do
    local counters, limits = A[p + 2], A[p + 3]
    local flags, young = A[p], false
    if flags >= 4 then flags, young = flags - 4, true end
    vFlags[v], vCounters[v], vLimits[v], vFirst[v], vLimitFirst[v] = flags, counters, limits, c, l
    local print, fields = A[p + 1], ARGV[arg]
    p, arg = p + 4, arg + 1
    for _ = 1, counters do
      c = c + 1
      cWindow[c] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
      cTick[c] = (A[p + 3] * 65536 + A[p + 4]) * 65536 + A[p + 5]
      cCap[c], cMeasure[c], cPrint[c], cFields[c] = A[p + 6], A[p + 7], print, fields
      cField[c] = ARGV[arg]
      p, arg = p + 8, arg + 1
      if young then
        cBirth[c] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
        p = p + 3
      end
    end
    for _ = 1, limits do
      l = l + 1
      lCounter[l] = A[p] + 1
      lMax[l] = ((A[p + 1] * 65536 + A[p + 2]) * 65536 + A[p + 3]) * 65536 + A[p + 4]
      lVerdict[l] = A[p + 5]
      p = p + 6
    end
  end
end
