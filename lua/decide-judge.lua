-- Judging, counting and answering, whatever the request and its cells. See decide.lua for the contract.

-- What the next cell is marked with when its first event is counted.
local ownLife = micros % 65536
local FOREVER = 281474976710655

-- Of the request being judged.
local useVariant, useJudges, useCounts, useCells, useMember, ownDenial = {}, {}, {}, {}, {}, {}
local judgeTick, savedCell, saved, steppedIn, steppedCell = {}, {}, {}, {}, {}
local uses, now, stepped = 0, 0, 0
local tripUse, tripLimit, tripOrdinal, tripCell = {}, {}, {}, {}
local tripWeight, tripUsed, tripBlocked, tripFull = {}, {}, {}, {}
local trips = 0

-- Notes once for each cell that its clock had been set back; it counts if the request keeps what was mended.
local function noteStep(c)
  if steppedIn[c] == item then return end
  stepped = stepped + 1
  steppedIn[c], steppedCell[stepped] = item, c
end

-- Brings every cell to now. What this request does not change for good is put back afterwards, where a later one could
-- tell: at the callers' times, which may go back, and where the clock was set back. Returns how many are to be put
-- back, or nil if one is unreadable, and whether because its key is elsewhere.
local function bringToNow(mode, atCallersTime)
  local saves = 0
  for u = 1, uses do
    if mode ~= 2 or useCounts[u] then
      local v = useVariant[u]
      local counter, cells = vFirst[v], useCells[u]
      for j = 1, vCounters[v] do
        local c = A[cells + j]
        if bad[c] then return nil, saves, away[c] end
        local l, wasSet = last[c], false
        if origin[c] then
          -- Written only if this request writes; a later one starts again from what is there.
          saves = saves + 1
          savedCell[saves], saved[saves] = c, false
          start(c, counter + j, now)
        elseif l and (atCallersTime or l * tick[c] > now) then
          saves = saves + 1
          savedCell[saves], saved[saves] = c, save(c)
        end
        judgeTick[c], wasSet = advance(c, counter + j, now)
        if wasSet then
          noteStep(c)
          if mode == 0 then dirty[c], changedBy[c] = true, item end
        end
      end
    end
  end
  return true, saves
end

-- How long the tuple of a cell is still blocked by `verdict`, in ms, and at which step. A block never lasts longer than
-- from now: then the clock was set back, and `mends` keeps that.
local function blockedFor(c, verdict, mends)
  local state = blocks[c] and blocks[c][verdict]
  if not state then return 0, 0 end
  local left = state[2] - now
  if left > state[3] + 1000 then
    left = state[3]
    if mends then
      state[2] = now + left
      dirty[c], changedBy[c] = true, item
      noteStep(c)
    end
  end
  if left <= 0 then return 0, 0 end
  return left, state[1]
end

-- Judges; returns the worst verdict of the enforced rules.
local function judge(cost, amount, isCheck)
  local verdict, ordinal = 0, 0
  for u = 1, uses do
    ownDenial[u] = false
    if useJudges[u] then
      local v, cells, member = useVariant[u], useCells[u], useMember[u]
      local w = useCounts[u] and (vMeasure[v] == 0 and cost or amount) or 1
      local shadow = vFlags[v] >= 2
      for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
        local c, max = A[cells + lCounter[l]], lMax[l]
        local used, blocked = total[c], false
        if member then w = placeOf(c, member) and 0 or 1 end
        local full = w > max - used or max == 0
        if lSteps[l] then blocked = blockedFor(c, lVerdict[l], isCheck) > 0 end
        if full or blocked then
          trips = trips + 1
          tripUse[trips], tripLimit[trips], tripOrdinal[trips], tripCell[trips] = u, l, ordinal, c
          tripWeight[trips], tripUsed[trips], tripBlocked[trips], tripFull[trips] = w, used, blocked, full
          if shadow then
            if lVerdict[l] == 3 then ownDenial[u] = true end
          elseif lVerdict[l] > verdict then
            verdict = lVerdict[l]
          end
        end
        ordinal = ordinal + 1
      end
    end
  end
  return verdict
end

-- Moves the counters of the rules that count a request with this verdict; what an event moved is kept with it.
local function count(mode, verdict, isAllowed, cost, amount, age, event)
  for u = 1, uses do
    local v = useVariant[u]
    if useCounts[u]
      and (mode == 2 or vFlags[v] % 2 == 1 or isAllowed or verdict < 3 and not ownDenial[u]) then
      local counter, cells, measure, member = vFirst[v], useCells[u], vMeasure[v], useMember[u]
      local w = measure == 0 and cost or amount
      for j = 1, vCounters[v] do
        local c = A[cells + j]
        local k, own = judgeTick[c], false
        if age then
          local s = last[c] and tick[c] or cTick[counter + j]
          local ahead = k * s > now and k * s or now
          own = ahead - age
        end
        local added, time = 0, 0
        if member then
          added, time = addMember(c, counter + j, k, member, own)
        elseif w > 0 then
          added, time = add(c, counter + j, k, w, own)
        end
        if event and added > 0 then
          if not life[c] then
            -- At the callers' times a cell may become empty and begin anew within one run.
            life[c], ownLife = ownLife, (ownLife + 1) % 65536
          end
          event[#event + 1] = { c, counter + j, time, added, life[c], member }
        end
      end
    end
  end
end

-- Begins the blocks of the limits that have tripped and say so.
local function block()
  for t = 1, trips do
    local l, c = tripLimit[t], tripCell[t]
    local lengths, verdict = lSteps[l], lVerdict[l]
    if lengths and tripFull[t] and not tripBlocked[t] and vFlags[useVariant[tripUse[t]]] < 2
      and blockedFor(c, verdict) == 0 then
      local states = blocks[c] or {}
      local state, level = states[verdict], 0
      if state then
        -- One step down for each quiet period as long as the block that ended.
        local quiet = now - state[2]
        level = state[1] - (quiet - quiet % state[3]) / state[3]
        if level < 0 then level = 0 end
      end
      if level >= #lengths then level = #lengths - 1 end
      states[verdict] = { level + 1, now + lengths[level + 1], lengths[level + 1] }
      blocks[c], dirty[c], changedBy[c], longer[c] = states, true, item, true
    end
  end
end

-- The enforced limit with the least of its max left, as this request leaves it: number (0: none), remaining, reset.
local function tightestLimit()
  local tightest, least, left, reset, ordinal = 0, 2, 0, 0, 0
  for u = 1, uses do
    if useJudges[u] then
      local v, cells = useVariant[u], useCells[u]
      if vFlags[v] >= 2 then
        ordinal = ordinal + vLimits[v]
      else
        for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
          local c, max = A[cells + lCounter[l]], lMax[l]
          local remaining = max - total[c]
          if remaining < 0 then remaining = 0 end
          local share = max > 0 and remaining / max or 0
          ordinal = ordinal + 1
          if share < least then
            least, tightest, left = share, ordinal, remaining
            reset = last[c] and (last[c] + ticks[c] + 1) * tick[c] - now or 0
          end
        end
      end
    end
  end
  return tightest, left, reset
end

-- Appends the trips; returns the longest wait among the enforced ones that gave `verdict`, -1 if one never passes.
local function answerTrips(verdict)
  local longest = 0
  for t = 1, trips do
    local l, c, u = tripLimit[t], tripCell[t], tripUse[t]
    local wait
    if isSet[c] then
      wait = roomForMember(c, lMax[l], useMember[u], now)
    else
      wait = roomAfter(c, lMax[l], tripWeight[t], now)
    end
    if lSteps[l] and wait >= 0 then
      local left = blockedFor(c, lVerdict[l])
      if left > wait then wait = left end
    end
    if vFlags[useVariant[u]] < 2 and lVerdict[l] == verdict and longest >= 0 then
      longest = wait >= 0 and (wait > longest and wait or longest) or -1
    end
    reply[r + 1], reply[r + 2], reply[r + 3] = tripOrdinal[t] + (tripBlocked[t] and 65536 or 0), tripUsed[t], wait
    r = r + 3
  end
  return longest
end

local function inspect()
  r = r + 1
  local head, limits = r, 0
  for u = 1, uses do
    local v, cells = useVariant[u], useCells[u]
    for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
      local c = A[cells + lCounter[l]]
      local left, step = 0, 0
      if lSteps[l] then left, step = blockedFor(c, lVerdict[l]) end
      reply[r + 1], reply[r + 2] = total[c], last[c] and (last[c] + ticks[c] + 1) * tick[c] - now or 0
      reply[r + 3], reply[r + 4] = left, step
      r, limits = r + 4, limits + 1
    end
  end
  reply[head] = limits
end

-- Remembers the answer, and where the weights went.
local function remember(e, verdict, wait, counted)
  e.answered, e.verdict, e.at, e.changed = true, verdict, now, true
  e.retry = wait >= 0 and verdict > 0 and wait or EXACT
  local ends = now + memory
  -- A refusal only until the same request would pass; but what was undone stays undone.
  if e.undone then
    if e.ends > ends then ends = e.ends end
  elseif verdict == 3 and wait >= 0 and wait < memory then
    ends = now + wait
  end
  e.ends, e.counted = ends, counted
end

-- Judges the request whose words begin at `from`, and answers it behind the first `answered` numbers of the reply;
-- returns where the words of the next begin, and how many numbers there are.
local function decide(request, from, answered)
  item, p, r = request, from, answered
  local op, cost = A[p], A[p + 1] * 65536 + A[p + 2]
  p = p + 3
  local mode, age, amount, e, listing, left = op % 4, false, 0, nil, 0, 0
  now = redisNow
  if op >= 4 then
    if op % 8 >= 4 then
      age = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
      p = p + 3
    end
    if op % 16 >= 8 then
      now = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
      p = p + 3
    end
    if op % 32 >= 16 then
      e = events[A[p]]
      p = p + 1
    end
    if op % 64 >= 32 then
      listing, left = A[p], (A[p + 1] * 65536 + A[p + 2]) * 65536 + A[p + 3]
      p = p + 4
    end
    if op % 128 >= 64 then
      amount = ((A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]) * 65536 + A[p + 3]
      p = p + 4
    end
  end
  uses = A[p]
  p = p + 1
  local isBrief = op % 256 >= 128
  for u = 1, isBrief and uses or 0 do
    useVariant[u], useJudges[u], useCounts[u], useCells[u], useMember[u] = A[p], true, true, p, nil
    takeOver(keyNumber[A[p + 1]])
    p = p + 2
  end
  for u = 1, isBrief and 0 or uses do
    local flags = A[p + 1]
    useVariant[u], useJudges[u], useCounts[u], useCells[u] = A[p], flags % 2 == 1, flags % 4 >= 2, p + 1
    local cells = p + 1
    p = p + 2 + vCounters[A[p]]
    for i = cells + 1, p - 1 do takeOver(keyNumber[A[i]]) end
    if flags >= 4 then
      useMember[u] = sub(words, 2 * p - 1, 2 * p + 14)
      p = p + 8
    else
      useMember[u] = nil
    end
  end

  local isKnown = e and not e.bad and now < e.ends
  if isKnown and e.answered and not (e.verdict == 3 and now < e.at - 1000) then
    reply[r + 1], reply[r + 2] = 1048576 + e.verdict, e.retry < EXACT and e.retry or -1
    r = r + 2
  elseif e and e.bad then
    r = r + 1
    reply[r] = e.away and -2 or -1
  else
    if e and not isKnown then e.undone = false end
    local isUndone = e and e.undone
    if isUndone and mode == 0 then mode = 1 end
    trips, stepped = 0, 0
    local readable, saves, isElsewhere = bringToNow(mode, op % 16 >= 8)
    if not readable then
      r = r + 1
      reply[r] = isElsewhere and -2 or -1
    elseif mode == 3 then
      inspect()
    else
      local verdict, byLimits, tightest = 0, 0, 0
      local counted = e and {}
      if mode ~= 2 then
        byLimits = judge(cost, amount, mode == 0)
        verdict = byLimits
        if listing == 1 then verdict = 3 elseif listing == 2 then verdict = 0
        elseif listing == 3 and verdict == 0 then verdict = 1 end
      end
      if mode ~= 1 and not isUndone then
        if op < 512 then count(mode, verdict, listing == 2, cost, amount, age, counted) end
        if mode == 0 and trips > 0 and listing ~= 2 and op % 512 < 256 then block() end
      end
      r = r + 1
      local head, remaining, reset = r, 0, 0
      if mode ~= 2 then
        tightest, remaining, reset = tightestLimit()
        if tightest > 0 then
          reply[r + 1], reply[r + 2] = remaining, reset
          r = r + 2
        end
      end
      reply[head] = verdict + 4 * trips + 1024 * tightest
      local wait = answerTrips(verdict)
      if e then
        if listing == 1 or listing == 3 and byLimits == 0 then
          if left == FOREVER or wait < 0 then wait = -1 elseif left > wait then wait = left end
        end
        remember(e, verdict, wait, counted)
      end
    end
    for i = 1, saves do
      local c = savedCell[i]
      if changedBy[c] ~= item then
        if saved[i] then
          restore(c, saved[i])
        else
          clear(c)
          blocks[c] = nil
        end
      else
        origin[c] = nil
      end
    end
    for i = 1, stepped do
      if changedBy[steppedCell[i]] == item then steps = steps + 1 end
    end
  end
  return p, r
end
