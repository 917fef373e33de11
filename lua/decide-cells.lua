-- Second part of the decide script: cells, from bytes to numbers and back. See decide.lua for the contract.

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

-- Decodes a cell that counts over `window`.
local function decode(c, counter, value, window)
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
  if s < 1 or s > window then
    bad[c] = true
    return
  end
  if flags % 4 ~= cMeasure[counter] then return end
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

local function load(c, counter, value)
  counterOf[c], raw[c] = counter, value
  clear(c)
  if value then decode(c, counter, value, cWindow[counter]) end
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

-- When `w` fits under `max` again: the first pairs go one by one until there is room for it.
local function retryAfter(c, max, w, now)
  if w > max or max == 0 then return -1 end
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

-- 4. A counter that is not there, of a rule whose windows were edited, starts from the pairs of another window of the
-- rule. `origin` has what was found for it.
local origin = {}

-- Looks for the window to start from among the fields of the cell's hash: first those that are no longer in force, with
-- all of their pairs; then those that still are, kept by an override or another limit, with the pairs from before the
-- missing window was born: since then the two have counted side by side. Of each kind the shortest that is as long as
-- the missing one, else the longest.
local function seek(c, key, names)
  local counter = counterOf[c]
  local field, fields, birth = cField[counter], cFields[counter], cBirth[counter]
  local slash = find(field, '/', 1, true)
  local rule, own = sub(field, 1, slash), cWindow[counter]
  local others = {}
  for i = 1, #names do
    local name = names[i]
    local window = sub(name, 1, slash) == rule and name ~= field and tonumber(sub(name, slash + 1))
    if window then
      local inForce = find(fields, '|' .. name .. '|', 1, true) ~= nil
      if birth or not inForce then others[#others + 1] = { name = name, window = window, inForce = inForce } end
    end
  end
  table.sort(others, function(a, b)
    if a.inForce ~= b.inForce then return b.inForce end
    if (a.window >= own) ~= (b.window >= own) then return a.window >= own end
    if a.window >= own then return a.window < b.window end
    return a.window > b.window
  end)
  for i = 1, #others do
    local other = others[i]
    decode(c, counter, call('HGET', key, other.name), other.window)
    if bad[c] then return end
    local k, w, n = explode(c)
    local s = tick[c]
    clear(c)
    while other.inForce and n > 0 and k[n] * s >= birth do n = n - 1 end
    if n > 0 then
      origin[c] = { tick = s, k = k, w = w, n = n }
      return
    end
  end
end

-- Lays out a missing cell from its origin. What a pair stands for happened at the latest at the end of its tick, and not
-- after now: that is where it goes, so that it is held too long, by one old tick at most, and never too short.
local function start(c, counter, now)
  local from, s = origin[c], cTick[counter]
  local ks, ws = {}, {}
  for i = 1, from.n do
    local t, ends = from.k[i] * from.tick, (from.k[i] + 1) * from.tick - 1
    if ends <= now then
      t = ends
    elseif t < now then
      t = now
    end
    ks[i], ws[i] = (t - t % s) / s, from.w[i]
  end
  tick[c], ticks[c] = s, math.ceil(cWindow[counter] / s)
  implode(c, regroup(ks, ws, from.n, function(own) return own end))
  longer[c] = true
end

local function save(c)
  return { tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c],
    total[c] }
end

local function restore(c, s)
  tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c], total[c] =
    unpack(s)
end
