-- What the general part is given, and how it takes over cells that were plain. It stands in the function `general`
-- behind names.lua, cells.lua, sets.lua, events.lua and origins.lua; decide-judge.lua and decide-write.lua follow.

local A, words, V, counters, variants, plain, left, others, bytesOfPlain, expire, redisNow, micros, reply = ...
local p, nGroups, nEvents, slack, memory = 1, V[2], V[4], V[5], V[6]
local nKeys = #KEYS - nEvents
local r, steps = 0, 0

for c = 1, #counters do
  local own = counters[c]
  cTick[c], cField[c], cPrint[c], cCap[c], cMeasure[c] = own[1], own[8], own[9], own[12], own[10]
  cWindow[c], cKind[c], cFields[c], cBirth[c] = own[13], own[14], own[15], own[16] or nil
end

-- Counter configuration by batch-wide counter number, limits by variant.
local vFlags, vMeasure, vCounters, vLimits, vFirst, vLimitFirst = {}, {}, {}, {}, {}, {}
local lCounter, lMax, lVerdict, lSteps = {}, {}, {}, {}
do
  local c, l = 0, 0
  for v = 1, #variants do
    local own, limits = variants[v], variants[v][4]
    vFlags[v], vMeasure[v], vCounters[v], vLimits[v], vFirst[v], vLimitFirst[v] = own[1], own[2], own[3], #limits / 4,
      c, l
    c = c + own[3]
    for i = 1, #limits, 4 do
      l = l + 1
      lCounter[l], lMax[l], lVerdict[l], lSteps[l] = limits[i], limits[i + 1], limits[i + 2], limits[i + 3]
    end
  end
end

-- Of each cell its counter and the number of its key, of each key its cells.
local counterOfCell, keyNumber, keyOf, cellsOf = {}, {}, {}, {}
do
  local c = 0
  for _ = 1, nGroups do
    local k, m = A[p], A[p + 1]
    local list = cellsOf[k] or {}
    cellsOf[k] = list
    for i = p + 2, p + 1 + m do
      c = c + 1
      counterOfCell[c], keyNumber[c], keyOf[c], list[#list + 1] = A[i] % 32768, k, KEYS[k], c
    end
    p = p + 2 + m
  end
end

local events = {}
for e = 1, nEvents do events[e] = readEvent(KEYS[nKeys + e]) end

-- Of a cell whose key lies elsewhere in a cluster, that.
local away = {}

-- The keys taken over; of those that lack a field, the fields they have.
local taken, nTaken, namesOf = {}, 0, {}

-- Takes over the cells of a key, as Redis has them or as plain requests have left them.
local function takeOver(k)
  if namesOf[k] ~= nil then return end
  nTaken = nTaken + 1
  taken[nTaken], namesOf[k] = k, false
  local list = cellsOf[k]
  for i = 1, #list do
    local c = list[i]
    local cell, value, counter = plain[c] or left[c], others[c], counterOfCell[c]
    if type(value) == 'table' then
      counterOf[c], bad[c], away[c] = counter, true, isAway(value)
    elseif cell then
      local change, isNew = cell[1], cell[2]
      load(c, counter, bytesOfPlain(cell))
      if change then dirty[c], longer[c] = true, change == 2 end
      if isNew then raw[c], namesOf[k] = false, {} end
      plain[c], cell[1] = false, false
    else
      load(c, counter, value)
      if not value then namesOf[k] = namesOf[k] or call('HKEYS', KEYS[k]) end
    end
  end
  local names = namesOf[k]
  if names and #names > 0 then
    for i = 1, #list do
      local c = list[i]
      if not raw[c] and not bad[c] then seek(c, KEYS[k], names) end
    end
  end
end
