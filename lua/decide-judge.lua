-- Third part of the decide script: read, judge, count, answer, write. See decide.lua for the contract.

-- 5. Read and decode every cell.
local cellsOf, cell = {}, 0
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
    list[#list + 1] = cell
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
        list[#list + 1] = cell
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

-- 6. Judge the requests in order, each on what those before it left.
local clock = call('TIME')
local redisNow = clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000
local reply, r = { redisNow, 0 }, 2
local judgeTick, saved, savedCell, savedStep = {}, {}, {}, {}
local tripOrdinal, tripCell, tripMax, tripWeight, tripUsed = {}, {}, {}, {}, {}

for request = 1, nRequests do
  item = request
  local op, cost = A[p], A[p + 1] * 65536 + A[p + 2]
  p = p + 3
  local mode, age, now = op % 4, false, redisNow
  if op % 8 >= 4 then
    age = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
    p = p + 3
  end
  if op >= 8 then
    now = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
    p = p + 3
  end
  local uses = A[p]
  local from = p + 1

  -- Bring every cell to now. What this request does not change for good is put back afterwards, where a later one
  -- could tell: at the callers' times, which may go back, and where the clock was set back.
  local unreadable, saves = false, 0
  p = from
  for _ = 1, uses do
    local v, flags = A[p], A[p + 1]
    local counter = vFirst[v]
    for j = 1, vCounters[v] do
      local c = A[p + 1 + j]
      if bad[c] then
        unreadable = true
      elseif mode ~= 2 or flags >= 2 then
        local l = last[c]
        if origin[c] then
          -- Written only if this request writes; a later one starts again from what is there.
          saves = saves + 1
          savedCell[saves], saved[saves] = c, false
          start(c, counter + j, now)
          judgeTick[c], savedStep[saves] = advance(c, counter + j, now)
          if savedStep[saves] and mode == 0 then dirty[c], changedBy[c] = true, item end
        elseif l and (op >= 8 or l * tick[c] > now) then
          saves = saves + 1
          savedCell[saves], saved[saves] = c, save(c)
          judgeTick[c], savedStep[saves] = advance(c, counter + j, now)
          if savedStep[saves] and mode == 0 then dirty[c], changedBy[c] = true, item end
        else
          judgeTick[c] = advance(c, counter + j, now)
        end
      end
    end
    p = p + 2 + vCounters[v]
  end
  local beyond = p

  if unreadable then
    r = r + 1
    reply[r] = -1
  elseif mode == 3 then
    r = r + 1
    local head, limits = r, 0
    p = from
    for _ = 1, uses do
      local v = A[p]
      for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
        local c = A[p + 1 + lCounter[l]]
        reply[r + 1] = total[c]
        reply[r + 2] = last[c] and (last[c] + ticks[c] + 1) * tick[c] - now or 0
        r, limits = r + 2, limits + 1
      end
      p = p + 2 + vCounters[v]
    end
    reply[head] = limits
  else
    -- Judge.
    local verdict, trips, ordinal = 0, 0, 0
    local ownDenial = false
    p = from
    for u = 1, (mode == 2 and 0 or uses) do
      local v, flags = A[p], A[p + 1]
      if flags % 2 == 1 then
        local w = flags >= 2 and cost or 1
        local shadow = vFlags[v] >= 2
        for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
          local c, max = A[p + 1 + lCounter[l]], lMax[l]
          local used = total[c]
          if w > max - used or max == 0 then
            trips = trips + 1
            tripOrdinal[trips], tripCell[trips], tripMax[trips] = ordinal, c, max
            tripWeight[trips], tripUsed[trips] = w, used
            if shadow then
              if lVerdict[l] == 3 then
                ownDenial = ownDenial or {}
                ownDenial[u] = true
              end
            elseif lVerdict[l] > verdict then
              verdict = lVerdict[l]
            end
          end
          ordinal = ordinal + 1
        end
      end
      p = p + 2 + vCounters[v]
    end

    -- Count.
    if mode ~= 1 then
      p = from
      for u = 1, uses do
        local v = A[p]
        if A[p + 1] >= 2
          and (mode == 2 or vFlags[v] % 2 == 1 or verdict < 3 and not (ownDenial and ownDenial[u])) then
          local counter = vFirst[v]
          for j = 1, vCounters[v] do
            local c = A[p + 1 + j]
            local k = judgeTick[c]
            local own = false
            if age then
              local s = last[c] and tick[c] or cTick[counter + j]
              local ahead = k * s > now and k * s or now
              own = ahead - age
            end
            add(c, counter + j, k, cost, own)
          end
        end
        p = p + 2 + vCounters[v]
      end
    end

    -- Answer, on the counters as this request leaves them.
    r = r + 1
    local head, tightest, least, left, reset = r, 0, 2, 0, 0
    if mode ~= 2 then
      ordinal = 0
      p = from
      for _ = 1, uses do
        local v = A[p]
        if A[p + 1] % 2 == 1 then
          if vFlags[v] >= 2 then
            ordinal = ordinal + vLimits[v]
          else
            for l = vLimitFirst[v] + 1, vLimitFirst[v] + vLimits[v] do
              local c, max = A[p + 1 + lCounter[l]], lMax[l]
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
        p = p + 2 + vCounters[v]
      end
      if tightest > 0 then
        reply[r + 1], reply[r + 2] = left, reset
        r = r + 2
      end
    end
    reply[head] = verdict + 4 * trips + 1024 * tightest
    for t = 1, trips do
      reply[r + 1], reply[r + 2] = tripOrdinal[t], tripUsed[t]
      reply[r + 3] = retryAfter(tripCell[t], tripMax[t], tripWeight[t], now)
      r = r + 3
    end
  end
  for i = 1, saves do
    local c = savedCell[i]
    if changedBy[c] ~= item then
      if saved[i] then
        restore(c, saved[i])
      else
        clear(c)
      end
    else
      origin[c] = nil
      if savedStep[i] then steps = steps + 1 end
    end
  end
  p = beyond
end

-- 7. Write what changed: one HSET for each entity, in parts of 500 fields where it has more.
local writeFormat, textOf = {}, {}

-- Redis would print a number with %.17g, dear and once for each key; most keys of a run end at few different times.
local function text(number)
  local known = textOf[number]
  if not known then
    known = string.format('%.0f', number)
    textOf[number] = known
  end
  return known
end

-- The cell as it goes to Redis.
local function bytesOf(c, counter)
  if lastW[c] >= POW[wgtW[c]] or total[c] >= POW[wgtW[c] + 1] then implode(c, explode(c)) end
  local ow, ww, s = offW[c], wgtW[c], tick[c]
  local widths = ow * 16 + ww
  local whole = at[c] > #body[c]
  local id = (whole and widths or widths + 256) + (s > 1 and 512 or 0)
  local format = writeFormat[id]
  if not format then
    format = (s > 1 and '>BBBI2I5I6I' or '>BBBI2I6I') .. (ww + 1) .. (whole and 'I' .. ow .. 'I' .. ww or '')
    writeFormat[id] = format
  end
  -- A cell of one pair is packed in one go.
  local measure, print, b, sum, o, w = cMeasure[counter], cPrint[counter], base[c], total[c], last[c] - base[c], lastW[c]
  if whole then
    if s > 1 then return pack(format, 1, measure + 4, widths, print, s, b, sum, o, w) end
    return pack(format, 1, measure, widths, print, b, sum, o, w)
  end
  local head
  if s > 1 then
    head = pack(format, 1, measure + 4, widths, print, s, b, sum)
  else
    head = pack(format, 1, measure, widths, print, b, sum)
  end
  local text = body[c]
  if at[c] > 1 then text = sub(text, at[c]) end
  local pair = pairsOf(ow, ww)
  return head .. text .. pack(pair, o, w)
end

-- Whether a field out of force may still be what a counter of its rule starts from: one of them is not there yet, and
-- none has just begun. Once one has, it holds what happened, and were the old field to stay, a rollback would find it
-- as it was.
local function isAwaited(field, inForce, have, begun)
  local rule = '|' .. sub(field, 1, find(field, '/', 1, true) or #field)
  if begun[sub(rule, 2)] then return false end
  local at = find(inForce, rule, 1, true)
  while at do
    local ends = find(inForce, '|', at + 1, true)
    if not have[sub(inForce, at + 1, ends - 1)] then return true end
    at = find(inForce, rule, ends, true)
  end
  return false
end

for k = 1, #KEYS do
  local key, list = KEYS[k], cellsOf[k]
  local args, n, need, sweep = nil, 0, 0, false
  local oneField, oneValue
  for i = 1, #list do
    local c = list[i]
    if dirty[c] then
      local counter = counterOf[c]
      if last[c] then
        local value = bytesOf(c, counter)
        n = n + 2
        if n == 2 then
          oneField, oneValue = cField[counter], value
        else
          args = args or { oneField, oneValue }
          args[n - 1], args[n] = cField[counter], value
        end
        if not raw[c] or stamp[c] ~= cPrint[counter] then sweep = cFields[counter] end
        if longer[c] then
          local ends = (last[c] + ticks[c] + 1) * tick[c]
          if ends > need then need = ends end
        end
      elseif raw[c] then
        call('HDEL', key, cField[counter])
      end
    end
  end
  if n > 0 then
    local fresh = false
    if sweep then
      local fields, gone = namesOf[k] or call('HKEYS', key), 0
      local have, begun
      for i = 1, #fields do
        local field = fields[i]
        if not find(sweep, '|' .. field .. '|', 1, true) then
          if not have then
            have, begun = {}, {}
            for j = 1, #list do
              local c = list[j]
              if dirty[c] and last[c] and not raw[c] then
                local own = cField[counterOf[c]]
                begun[sub(own, 1, find(own, '/', 1, true))] = true
              end
            end
            for j = 1, #fields do have[fields[j]] = true end
            if args then
              for j = 1, n, 2 do have[args[j]] = true end
            else
              have[oneField] = true
            end
          end
          if not isAwaited(field, sweep, have, begun) then gone = gone + call('HDEL', key, field) end
        end
      end
      fresh = gone == #fields
    end
    if n == 2 then
      call('HSET', key, oneField, oneValue)
    else
      for i = 1, n, 1000 do call('HSET', key, unpack(args, i, n < i + 999 and n or i + 999)) end
    end
    if need > 0 then
      if slack > 0 then
        local ttl = need - redisNow
        call('PEXPIRE', key, text(slack + (ttl > 0 and ttl or 0)))
      elseif fresh then
        call('PEXPIREAT', key, text(need))
      else
        call('PEXPIREAT', key, text(need), 'GT')
      end
    end
  end
end
reply[2] = steps
return reply
