-- Cells: counters as they lie in the fields of an entity's hash, from bytes to numbers and back. A part of the scripts
-- decide, undo and unblock; sets.lua has those of distinct values.
--
-- A cell, big-endian:
--   version 1 | flags: 0-1 measure, 2 tick length present, 3 blocks present, 4 life present | offset width << 4,
--   weight width | fingerprint of the tuple's fields (2) | [life (2)] | [blocks: their number (1), then for each its
--   verdict (1), step (1), end (6) and length (5) in ms] | then, unless the widths are 0, which is a cell of blocks
--   alone:
--   count, sum   [tick length (5)] | base tick (6) | total weight (weight width + 1) | pairs: tick - base, weight
--   distinct     fingerprint of the dimension (2) | base tick (6) | entries, see sets.lua

-- What is known of counters, by number: window and tick length in ms, cap on pairs (0: none), measure (0 count, 1 sum,
-- 2 distinct) with the fingerprint of its dimension, field, fingerprint and text of the tuple's fields, birth.
local cWindow, cTick, cCap, cMeasure, cKind, cField, cPrint, cFields, cBirth = {}, {}, {}, {}, {}, {}, {}, {}, {}

-- A cell in use is its pairs but the last as they lie in Redis (`body` from `at` on), and the last pair unpacked, so
-- that a hit bumps two numbers or appends a few bytes whatever the counter holds. Of a set, `body` is all of it.
local tick, ticks, base, offW, wgtW = {}, {}, {}, {}, {}
local body, at, first, firstW, last, lastW, total = {}, {}, {}, {}, {}, {}, {}
local bad, raw, stamp, dirty, longer, counterOf, isSet = {}, {}, {}, {}, {}, {}, {}
-- By verdict, the last block of the tuple: { step, ends, length }. And a number that a cell keeps from its first event
-- until it is empty, so that an undo finds its weight or nothing.
local blocks, life = {}, {}
-- The request being judged, and per cell the last one that changed it for good.
local item, changedBy = 0, {}
local headFormat, pairFormat, writeFormat = {}, {}, {}

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
  last[c], total[c], body[c], at[c], life[c] = false, 0, '', 1, nil
end

-- Takes life and blocks out of a cell; returns the rest, as it would be without them, or nil if they are cut short.
local function takeExtras(c, value, flags)
  local from = 6
  if flags >= 16 then
    if #value < 7 then return nil end
    life[c], from = unpack_('>I2', value, 6)
    flags = flags - 16
  end
  if flags >= 8 then
    local n = byte(value, from)
    if not n or n < 1 or #value < from + n * 13 then return nil end
    local states = {}
    from = from + 1
    for _ = 1, n do
      local verdict, step, ends, length
      verdict, step, ends, length, from = unpack_('>BBI6I5', value, from)
      if verdict > 3 or step < 1 or length < 1 then return nil end
      states[verdict] = { step, ends, length }
    end
    blocks[c] = states
  end
  return sub(value, 1, 5) .. sub(value, from)
end

-- Decodes the pairs of a cell that counts over `window`.
local function decodePairs(c, value, flags, widths, window)
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
  local s, b, sum, o, w, _
  if sliced then
    _, s, b, sum, o, w = unpack_(format, value, 4)
  else
    s = 1
    _, b, sum, o, w = unpack_(format, value, 4)
  end
  if s < 1 or s > window then
    bad[c] = true
    return
  end
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
  -- Numbers that no script wrote could leave the integers that a Lua number and the reply hold.
  local least = length == width and w or firstW[c] + w
  if last[c] < first[c] or (last[c] + ticks[c] + 1) * s > EXACT or sum > EXACT or sum < EXACT and sum < least then
    bad[c] = true
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

-- Lays a cell out anew from its pairs, with the widths they need.
local function implode(c, k, w, n)
  if n == 0 then return clear(c) end
  local sum, most = 0, 0
  for i = 1, n do
    if w[i] > EXACT then w[i] = EXACT end
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
  if last[c] < floor then return clear(c) end
  local text, width = body[c], offW[c] + wgtW[c]
  local format = pairsOf(offW[c], wgtW[c])
  local clamped = total[c] == EXACT
  while first[c] < floor do
    total[c] = total[c] - firstW[c]
    at[c] = at[c] + width
    if at[c] > #text then
      first[c], firstW[c] = last[c], lastW[c]
    else
      local o, w = unpack_(format, text, at[c])
      first[c], firstW[c] = base[c] + o, w
    end
  end
  -- Below zero only where the pairs are not those that were added up.
  if clamped or total[c] < 0 then implode(c, explode(c)) end
end

-- Gives every pair the tick that `to` makes of its own, and merges those that come to share one.
local function regroup(ks, ws, n, to)
  local m = 0
  for i = 1, n do
    local k = to(ks[i])
    if m > 0 and ks[m] == k then
      ws[m] = ws[m] + ws[i]
      if ws[m] > EXACT then ws[m] = EXACT end
    else
      m = m + 1
      ks[m], ws[m] = k, ws[i]
    end
  end
  return ks, ws, m
end

-- Moves the pairs that lie ahead of tick `k` to it: the clock was set back.
local function step(c, k)
  local ks, ws, n = explode(c)
  implode(c, regroup(ks, ws, n, function(own) return own < k and own or k end))
end

-- An exact log cut into the slices it should have by now.
local function slice(c, s)
  local ks, ws, n = explode(c)
  tick[c], ticks[c] = s, math.ceil(cWindow[counterOf[c]] / s)
  implode(c, regroup(ks, ws, n, function(own) return (own - own % s) / s end))
  longer[c] = true
end

-- Merges the oldest pairs until at most `cap` are left.
local function merge(c, cap)
  local ow, ww = offW[c], wgtW[c]
  local format, width = pairsOf(ow, ww)
  local pairs_ = (#body[c] - at[c] + 1) / width + 1
  if pairs_ == cap + 1 and cap > 1 then
    -- The usual case, one too many: the second pair takes the first one's weight where it lies.
    local o, w = unpack_(format, body[c], at[c] + width)
    w = w + firstW[c]
    if w < POW[ww] and w <= EXACT then
      body[c] = pack(format, o, w) .. sub(body[c], at[c] + 2 * width)
      at[c], first[c], firstW[c] = 1, base[c] + o, w
      return
    end
  end
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
-- the window no longer reaches it. Returns what was added, less than `w` where the pair is as heavy as a number can be,
-- and when its tick begins.
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
    if aged < k - math.ceil(cWindow[counter] / s) then return 0, 0 end
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
    return w, k * s
  end
  local sum = total[c] + w
  if sum > EXACT then sum = EXACT end
  if k == l then
    local bumped = lastW[c] + w
    if bumped > EXACT then
      bumped = EXACT
      w = bumped - lastW[c]
    end
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
      if w > EXACT - ws[i] then w = EXACT - ws[i] end
      ws[i] = ws[i] + w
    else
      table.insert(ks, i, k)
      table.insert(ws, i, w)
      n = n + 1
    end
    implode(c, ks, ws, n)
  end
  local cap = cCap[counter]
  if cap > 0 and tick[c] == 1 and (#body[c] - at[c] + 1) / (offW[c] + wgtW[c]) + 1 > cap then merge(c, cap) end
  return w, k * s
end

-- In how many ms `w` fits under `max`, 0 if it does now, -1 if it never will: the first pairs go one by one until there
-- is room for it.
local function roomAfter(c, max, w, now)
  if w > max or max == 0 then return -1 end
  if w <= max - total[c] then return 0 end
  local k = first[c]
  if total[c] < EXACT then
    local excess = w - (max - total[c]) - firstW[c]
    local format, width = pairsOf(offW[c], wgtW[c])
    local text, from, i = body[c], base[c], at[c] + offW[c] + wgtW[c]
    while excess > 0 do
      if i > #text then
        k = last[c]
        break
      end
      local o, weight = unpack_(format, text, i)
      k, excess, i = from + o, excess - weight, i + width
    end
  else
    -- The total is clamped: only the youngest pairs tell what is left when older ones are gone.
    local ks, ws, n = explode(c)
    local sum = w
    for i = n, 1, -1 do
      sum = sum + ws[i]
      if sum > max then
        k = ks[i]
        break
      end
    end
  end
  return (k + ticks[c] + 1) * tick[c] - now
end

-- Takes up to `w` from the pair that an event of time `own`, in ms, was counted in; returns whether there was one. It
-- is at its own tick, or has been merged into the first pair.
local function take(c, w, own, now)
  local s = tick[c]
  local ks, ws, n = explode(c)
  local k, i = (own - own % s) / s, 1
  local until_ = last[c] * s > now and last[c] * s or now
  while i <= n and ks[i] < k do i = i + 1 end
  if not (i <= n and ks[i] == k) then
    if i > 1 or (until_ - until_ % s) / s > k + ticks[c] then return false end
  end
  ws[i] = ws[i] > w and ws[i] - w or 0
  if ws[i] == 0 then
    table.remove(ks, i)
    table.remove(ws, i)
    n = n - 1
  end
  implode(c, ks, ws, n)
  return true
end

-- The pairs as they go to Redis.
local function packPairs(c, measure, print)
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
  local b, sum, o, w = base[c], total[c], last[c] - base[c], lastW[c]
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
