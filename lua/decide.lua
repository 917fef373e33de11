#!lua flags=allow-cross-slot-keys
-- Judges and counts one batch of requests in one atomic step.
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
--   V  per variant   flags (1 attempts, 2 shadow), fingerprint of the tuple's fields, counters, limits;
--                    per counter: window (3), tick length (3), cap on pairs (0: none), measure;
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
local cWindow, cTick, cCap, cMeasure, cField, cPrint, cFields = {}, {}, {}, {}, {}, {}, {}
local lCounter, lMax, lVerdict, vLimitFirst = {}, {}, {}, {}
do
  local arg, c, l = 2, 0, 0
  for v = 1, nVariants do
    local counters, limits = A[p + 2], A[p + 3]
    vFlags[v], vCounters[v], vLimits[v], vFirst[v], vLimitFirst[v] = A[p], counters, limits, c, l
    local print, fields = A[p + 1], ARGV[arg]
    p, arg = p + 4, arg + 1
    for _ = 1, counters do
      c = c + 1
      cWindow[c] = (A[p] * 65536 + A[p + 1]) * 65536 + A[p + 2]
      cTick[c] = (A[p + 3] * 65536 + A[p + 4]) * 65536 + A[p + 5]
      cCap[c], cMeasure[c], cPrint[c], cFields[c] = A[p + 6], A[p + 7], print, fields
      cField[c] = ARGV[arg]
      p, arg = p + 8, arg + 1
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

-- 3. Cells. A cell in use is its pairs but the last as they lie in Redis (`body` from `at` on), and the last pair
-- unpacked, so that a hit bumps two numbers or appends a few bytes whatever the counter holds.
local tick, ticks, base, offW, wgtW = {}, {}, {}, {}, {}
local body, at, first, firstW, last, lastW, total = {}, {}, {}, {}, {}, {}, {}
local bad, raw, stamp, dirty, longer, counterOf = {}, {}, {}, {}, {}, {}
-- The request being judged, and per cell the last one that changed it for good.
local item, changedBy = 0, {}
local steps = 0
local headFormat, pairFormat = {}, {}

local function pairsOf(ow, ww)
  local id = ow * 16 + ww
  local format = pairFormat[id]
  if not format then
    format = '>I' .. ow .. 'I' .. ww
    pairFormat[id] = format
  end
  return format, ow + ww
end

local function clear(c)
  last[c], total[c], body[c], at[c] = false, 0, '', 1
end

local function load(c, counter, value)
  counterOf[c], raw[c] = counter, value
  clear(c)
  if not value then return end
  local version, flags, widths = byte(value, 1, 3)
  if version ~= 1 or not widths or flags > 7 then
    bad[c] = true
    return
  end
  local ww = widths % 16
  local ow = (widths - ww) / 16
  local sliced = flags >= 4
  local head = (sliced and 17 or 12) + ww
  local width = ow + ww
  local length = #value - head
  if ow < 1 or ow > 6 or ww < 1 or ww > 7 or length < width or length % width ~= 0 then
    bad[c] = true
    return
  end
  local id = sliced and widths + 256 or widths
  local format = headFormat[id]
  if not format then
    format = (sliced and '>I2I5I6I' or '>I2I6I') .. (ww + 1) .. 'I' .. ow .. 'I' .. ww
    headFormat[id] = format
  end
  local s, b, sum, o, w
  if sliced then
    stamp[c], s, b, sum, o, w = unpack_(format, value, 4)
  else
    s = 1
    stamp[c], b, sum, o, w = unpack_(format, value, 4)
  end
  if s < 1 then
    bad[c] = true
    return
  end
  if flags % 4 ~= cMeasure[counter] then return end
  local window = cWindow[counter]
  tick[c], ticks[c], base[c], offW[c], wgtW[c], total[c] = s, math.ceil(window / s), b, ow, ww, sum
  first[c], firstW[c] = b + o, w
  if length == width then
    last[c], lastW[c] = b + o, w
  else
    local format2 = pairsOf(ow, ww)
    o, w = unpack_(format2, value, #value - width + 1)
    last[c], lastW[c] = b + o, w
    body[c], at[c] = sub(value, head + 1, #value - width), 1
  end
end

-- Every pair, oldest first.
local function explode(c)
  local k, w, n = {}, {}, 0
  if last[c] then
    local format, width = pairsOf(offW[c], wgtW[c])
    local text, from = body[c], base[c]
    for i = at[c], #text, width do
      n = n + 1
      local o
      o, w[n] = unpack_(format, text, i)
      k[n] = from + o
    end
    n = n + 1
    k[n], w[n] = last[c], lastW[c]
  end
  return k, w, n
end

-- Narrowest offsets that leave a quarter of a window before the base must move again.
local function offsetWidth(span, n)
  local need, width = n + n / 4, 1
  if need < span then need = span end
  while POW[width] <= need do width = width + 1 end
  return width
end

-- Lays a cell out anew from its pairs, with the widths they need.
local function implode(c, k, w, n)
  if n == 0 then return clear(c) end
  local sum, most = 0, 0
  for i = 1, n do
    sum = sum + w[i]
    if sum > EXACT then sum = EXACT end
    if w[i] > most then most = w[i] end
  end
  local ww = 1
  while POW[ww] <= most or POW[ww + 1] <= sum do ww = ww + 1 end
  local ow = offsetWidth(k[n] - k[1], ticks[c])
  local format = pairsOf(ow, ww)
  local parts = {}
  for i = 1, n - 1 do parts[i] = pack(format, k[i] - k[1], w[i]) end
  base[c], offW[c], wgtW[c], total[c] = k[1], ow, ww, sum
  body[c], at[c], first[c], firstW[c], last[c], lastW[c] = table.concat(parts), 1, k[1], w[1], k[n], w[n]
end

-- Drops the pairs before tick `floor`.
local function drop(c, floor)
  local text, width = body[c], offW[c] + wgtW[c]
  local format = pairsOf(offW[c], wgtW[c])
  local clamped = total[c] == EXACT
  while first[c] < floor do
    total[c] = total[c] - firstW[c]
    if at[c] > #text then return clear(c) end
    at[c] = at[c] + width
    if at[c] > #text then
      first[c], firstW[c] = last[c], lastW[c]
    else
      local o, w = unpack_(format, text, at[c])
      first[c], firstW[c] = base[c] + o, w
    end
  end
  if clamped then implode(c, explode(c)) end
end

-- Moves the pairs that lie ahead of tick `k` to it: the clock was set back.
local function step(c, k)
  local ks, ws, n = explode(c)
  local m = 0
  for i = 1, n do
    local to = ks[i] < k and ks[i] or k
    if m > 0 and ks[m] == to then
      ws[m] = ws[m] + ws[i]
      if ws[m] > EXACT then ws[m] = EXACT end
    else
      m = m + 1
      ks[m], ws[m] = to, ws[i]
    end
  end
  implode(c, ks, ws, m)
end

-- Brings a cell to `now`; returns the tick to judge at, in the cell's own ticks or, once it is empty, in those that it
-- will be given, and whether the clock had been set back.
local function advance(c, counter, now)
  local stepped, l = false, last[c]
  if l then
    local s = tick[c]
    local k = (now - now % s) / s
    if l > k then
      if l * s - now <= (s > 1000 and s or 1000) then
        k = l
      else
        step(c, k)
        stepped = true
      end
    end
    if first[c] < k - ticks[c] then drop(c, k - ticks[c]) end
    if last[c] then return k, stepped end
  end
  local s = cTick[counter]
  return (now - now % s) / s, stepped
end

-- An exact log cut into the slices it should have by now.
local function slice(c, s)
  local ks, ws, n = explode(c)
  local m = 0
  for i = 1, n do
    local to = (ks[i] - ks[i] % s) / s
    if m > 0 and ks[m] == to then
      ws[m] = ws[m] + ws[i]
      if ws[m] > EXACT then ws[m] = EXACT end
    else
      m = m + 1
      ks[m], ws[m] = to, ws[i]
    end
  end
  tick[c], ticks[c] = s, math.ceil(cWindow[counterOf[c]] / s)
  implode(c, ks, ws, m)
  longer[c] = true
end

-- Merges the oldest pairs until at most `cap` are left.
local function merge(c, cap)
  local ks, ws, n = explode(c)
  local gone = n - cap
  for i = 1, gone do
    ws[i + 1] = ws[i + 1] + ws[i]
    if ws[i + 1] > EXACT then ws[i + 1] = EXACT end
  end
  local k, w = {}, {}
  for i = 1, cap do k[i], w[i] = ks[gone + i], ws[gone + i] end
  implode(c, k, w, cap)
end

-- Adds `w` at tick `k` of a cell that `advance` brought to now; an aged outcome goes to its `own` time, in ms, unless
-- the window no longer reaches it.
local function add(c, counter, k, w, own)
  local s = cTick[counter]
  local cut = last[c] and tick[c] == 1 and s > 1
  if cut then
    k = (k - k % s) / s
  elseif last[c] then
    s = tick[c]
  end
  if own then
    local aged = (own - own % s) / s
    if aged < k - math.ceil(cWindow[counter] / s) then return end
    k = aged
  end
  if cut then slice(c, s) end
  dirty[c], changedBy[c] = true, item
  local l = last[c]
  if not l then
    local n = math.ceil(cWindow[counter] / s)
    local ww = 1
    while POW[ww] <= w do ww = ww + 1 end
    tick[c], ticks[c], base[c], offW[c], wgtW[c] = s, n, k, offsetWidth(0, n), ww
    body[c], at[c], first[c], firstW[c], last[c], lastW[c], total[c] = '', 1, k, w, k, w, w
    longer[c] = true
    return
  end
  local sum = total[c] + w
  if sum > EXACT then sum = EXACT end
  if k == l then
    local bumped = lastW[c] + w
    if bumped > EXACT then bumped = EXACT end
    lastW[c], total[c] = bumped, sum
    if at[c] > #body[c] then firstW[c] = bumped end
  elseif k > l then
    if w >= POW[wgtW[c]] or lastW[c] >= POW[wgtW[c]] or k - base[c] >= POW[offW[c]] then
      local ks, ws, n = explode(c)
      ks[n + 1], ws[n + 1] = k, w
      implode(c, ks, ws, n + 1)
    else
      local format = pairsOf(offW[c], wgtW[c])
      body[c] = sub(body[c], at[c]) .. pack(format, l - base[c], lastW[c])
      at[c], last[c], lastW[c], total[c] = 1, k, w, sum
    end
    longer[c] = true
  else
    local ks, ws, n = explode(c)
    local i = 1
    while ks[i] < k do i = i + 1 end
    if ks[i] == k then
      ws[i] = ws[i] + w
      if ws[i] > EXACT then ws[i] = EXACT end
    else
      table.insert(ks, i, k)
      table.insert(ws, i, w)
      n = n + 1
    end
    implode(c, ks, ws, n)
  end
  local cap = cCap[counter]
  if cap > 0 and tick[c] == 1 and (#body[c] - at[c] + 1) / (offW[c] + wgtW[c]) + 1 > cap then merge(c, cap) end
end

-- When `w` fits under `max` again: the youngest pair that must go decides.
local function retryAfter(c, max, w, now)
  if w > max or max == 0 then return -1 end
  local ks, ws, n = explode(c)
  local sum = w
  for i = n, 1, -1 do
    sum = sum + ws[i]
    if sum > max then return (ks[i] + ticks[c] + 1) * tick[c] - now end
  end
  return 0
end

local function save(c)
  return { tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c],
    total[c] }
end

local function restore(c, s)
  tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c], total[c] =
    unpack(s)
end

-- 4. Read and decode every cell.
local cellsOf, cell = {}, 0
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
    end
    list[#list + 1] = cell
  else
    local fields = {}
    for j = 1, m do fields[j] = cField[A[p + 1 + j]] end
    local values = pcall_('HMGET', KEYS[k], unpack(fields))
    for j = 1, m do
      cell = cell + 1
      if values.err then
        bad[cell] = true
      else
        load(cell, A[p + 1 + j], values[j])
      end
      list[#list + 1] = cell
    end
  end
  p = p + 2 + m
end

-- 5. Judge the requests in order, each on what those before it left.
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
        if l and (op >= 8 or l * tick[c] > now) then
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
      restore(c, saved[i])
    elseif savedStep[i] then
      steps = steps + 1
    end
  end
  p = beyond
end

-- 6. Write what changed: one HSET for each entity, in parts of 500 fields where it has more.
for k = 1, #KEYS do
  local key, args, n, need, sweep = KEYS[k], {}, 0, 0, false
  for _, c in ipairs(cellsOf[k]) do
    if dirty[c] then
      local counter = counterOf[c]
      if last[c] then
        if lastW[c] >= POW[wgtW[c]] or total[c] >= POW[wgtW[c] + 1] then implode(c, explode(c)) end
        local ow, ww, s = offW[c], wgtW[c], tick[c]
        local head
        if s > 1 then
          head = pack('>BBBI2I5I6I' .. (ww + 1), 1, cMeasure[counter] + 4, ow * 16 + ww, cPrint[counter], s, base[c],
            total[c])
        else
          head = pack('>BBBI2I6I' .. (ww + 1), 1, cMeasure[counter], ow * 16 + ww, cPrint[counter], base[c], total[c])
        end
        args[n + 1] = cField[counter]
        args[n + 2] = head .. sub(body[c], at[c]) .. pack(pairsOf(ow, ww), last[c] - base[c], lastW[c])
        n = n + 2
        if not raw[c] or stamp[c] ~= cPrint[counter] then sweep = cFields[counter] end
        if longer[c] then
          local ends = (last[c] + ticks[c] + 1) * s
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
      local fields, gone = call('HKEYS', key), 0
      for i = 1, #fields do
        if not find(sweep, '|' .. fields[i] .. '|', 1, true) then gone = gone + call('HDEL', key, fields[i]) end
      end
      fresh = gone == #fields
    end
    for i = 1, n, 1000 do call('HSET', key, unpack(args, i, n < i + 999 and n or i + 999)) end
    if need > 0 then
      if slack > 0 then
        local ttl = need - redisNow
        call('PEXPIRE', key, slack + (ttl > 0 and ttl or 0))
      elseif fresh then
        call('PEXPIREAT', key, need)
      else
        call('PEXPIREAT', key, need, 'GT')
      end
    end
  end
end
reply[2] = steps
return reply
