-- The run, and its plain part; the last part of the decide script. See decide.lua for the contract.
--
-- Nearly every cell of nearly every request is plain: pairs of a count or a sum as its counter is configured now, no
-- block, no life, room for another weight in the widths it has. Such a cell is brought to now and made one table as it
-- is read; it is judged, counted and packed here, in one function, where each name is a register, and few functions and
-- tables are made. A request that is not plain, or would trip, or names a cell that is not plain, goes to `general`,
-- whose functions and tables are made when the first one comes; it takes over the keys that it needs.

-- Where things lie in the table of a plain cell: false until it is changed, then its `LONGER` (of a list of a key's
-- cells 3); whether the key is new; its shape, base tick, total; the pairs but the last as bytes; the last pair, at the
-- tick of now, of weight 0 if nothing has been counted then; how much may be added before a limit trips or a width is
-- full; 2 if that makes the key live longer, else 1; the last tick there was; the bytes it was made of. Ticks are
-- counted from the base.
local CHANGE, IS_NEW, SHAPE, BASE, TOTAL, PAIRS, LAST, LAST_W, ROOM, LONGER, OLD, BYTES =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
-- In a shape, which is how cells of one counter and the same widths are read and written: their first bytes, the
-- counter, from where on a tick, a weight, a total needs wider numbers, the length of a cell of one pair, the width of
-- a pair, and formats: to read up to the first pair, to read a pair, to write a cell.
local START, COUNTER, TICKS_END, WEIGHTS_END, TOTALS_END, ONE, WIDTH, READ, PAIR, WRITE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

local INTEGER, formats = { 'I1', 'I2', 'I3', 'I4', 'I5', 'I6' }, {}

-- The first bytes of the plain cells of a counter that have these widths: as they lie in Redis, up to the base.
local function startOf(counter, widths)
  local s, measure = counter[1], counter[10]
  if s > 1 then return pack('>BBBI2I5', 1, measure + 4, widths, counter[9], s) end
  return pack('>BBBI2', 1, measure, widths, counter[9])
end

-- How the cells of a counter that begin with `start` are read and written; false where they are not plain.
local function shapeOf(counter, start)
  local shape, widths = false, byte(start, 3)
  local ww = widths and widths % 16 or 0
  if ww > 0 and ww < 6 and widths > 15 and widths < 112 and start == startOf(counter, widths) then
    local ow, own = (widths - ww) / 16, formats[widths]
    if not own then
      local pair, total = INTEGER[ow] .. INTEGER[ww], 'I6' .. INTEGER[ww + 1]
      own = { '>' .. total .. pair, '>' .. pair, '>c0' .. total .. 'c0' .. pair }
      formats[widths] = own
    end
    shape = {
      start, counter, POW[ow], POW[ww], POW[ww + 1], #start + 7 + ww + ow + ww, ow + ww, own[1], own[2], own[3],
    }
  end
  if counter[5] then counter[5][start] = shape else counter[5] = { [start] = shape } end
  return shape
end

-- A plain cell of its bytes; false if it is not plain.
local function read(counter, value)
  local start = sub(value, 1, counter[4])
  local shapes = counter[5]
  local shape = shapes and shapes[start]
  if not shape then
    if not shapes or shape == nil then shape = shapeOf(counter, start) end
    if not shape then return false end
  end
  local length, width = #value, shape[7]
  local more = length - shape[6]
  if more < 0 then return false end
  local b, sum, o, w = unpack_(shape[8], value, counter[4] + 1)
  local k, l, lw = counter[3] - b, o, w
  if more > 0 then
    l, lw = unpack_(shape[9], value, length - width + 1)
    if l < o or sum < w + lw or more % width > 0 then return false end
  elseif sum < w then
    return false
  end
  -- Ahead of now: the clock was set back.
  if k < l then return false end
  local from, floor = shape[6] - width + 1, k - counter[2]
  if o < floor then
    -- All of it too old, or more dropped than the total holds: not for here.
    if l < floor then return false end
    repeat
      sum, from = sum - w, from + width
      o, w = unpack_(shape[9], value, from)
    until o >= floor
    if sum < w then return false end
  end
  local pairs_, longer, old, room, most = sub(value, from, l < k and -1 or -1 - width), 1, l, shape[5] - sum, shape[4]
  if l < k then
    lw = 0
    if k - l > 1 or (b + k) % 2 == 0 or counter[1] == 1 then longer = 2 end
    if k >= shape[3] then
      -- The base moves to the first pair.
      local parts, n = {}, 0
      for at = 1, #pairs_, width do
        local later, weight = unpack_(shape[9], pairs_, at)
        n = n + 1
        parts[n] = pack(shape[9], later - o, weight)
      end
      b, k, old, pairs_ = b + o, k - o, old - o, table.concat(parts)
      if k >= shape[3] then return false end
    end
  end
  -- As long as no limit trips there is a pair fewer than the cap.
  if most - lw < room then room = most - lw end
  most = counter[7] - sum
  return { false, false, shape, b, sum, pairs_, k, lw, room > most and most or room - 1, longer, old, value }
end

-- The bytes of a plain cell; false if there is none.
local function bytesOf(cell)
  if cell[8] == 0 then return cell[12] end
  local shape = cell[3]
  return pack(shape[10], shape[1], cell[4], cell[5], cell[6], cell[7], cell[8])
end

-- 3. Read every cell. Of each its table while it is plain; what Redis has, where it is not; and of each key its cell's
-- table, or a list of them behind a 3.
local plain, ofKey = { nil, nil, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil, nil, nil, nil, nil }
local others, p = {}, 1
do
  local c, keys = 0, KEYS
  for _ = 1, V[2] do
    local k, m = A[p], A[p + 1]
    local key, values, isNew = keys[k], false, nil
    p = p + 2
    if m > 1 then
      values = {}
      -- In parts: the Lua stack holds 8,000 values.
      for from = 0, m - 1, 4000 do
        local fields, some = {}, m - from < 4000 and m - from or 4000
        for j = 1, some do fields[j] = counters[A[p + from + j - 1] % 32768][FIELD] end
        local part = pcall_('HMGET', key, unpack(fields))
        for j = 1, some do
          if part.err then values[from + j] = part else values[from + j] = part[j] end
        end
      end
    end
    for j = 1, m do
      local counter, cell, value, isShared = counters[A[p]], false, nil, false
      if not counter then
        -- Of several counters, each with limits and ticks of its own: not plain.
        counter, isShared = counters[A[p] - 32768], true
      end
      c, p = c + 1, p + 1
      if values then value = values[j] else value = pcall_('HGET', key, counter[FIELD]) end
      if value then
        -- Of a table, the error of a key that is not a hash, the length is 0.
        if #value > 0 and not isShared then cell = read(counter, value) end
        if not cell then others[c] = value end
      elseif counter[MEASURE] < 2 and not isShared then
        -- A key that is not there has no other windows to start from, and none to sweep.
        if isNew == nil then isNew = #call('HKEYS', key) == 0 end
        if isNew then
          local shape = counter[NEW]
          if not shape then
            shape = shapeOf(counter, startOf(counter, offsetWidth(0, counter[TICKS]) * 16 + 1))
            counter[NEW] = shape
          end
          cell = {
            false, true, shape, counter[NOW], 0, '', 0, 0, counter[MOST] < 255 and counter[MOST] or 255, 2, 0, false,
          }
        end
      end
      plain[c] = cell
      if cell then
        local its = ofKey[k]
        if not its then
          ofKey[k] = cell
        elseif its[1] == 3 then
          its[#its + 1] = cell
        else
          ofKey[k] = { 3, its, cell }
        end
      end
    end
  end
end

-- The callers' clock goes on: brings every plain cell to `now`. Those that are plain no longer are left to `general`.
local left = {}
local function goOn()
  for c = 1, #counters do
    local s = counters[c][1]
    counters[c][3], counters[c][11] = (now - now % s) / s, false
  end
  for c = 1, #plain do
    local cell = plain[c]
    if cell then
      local counter, bytes = cell[3][2], bytesOf(cell)
      if not bytes then
        cell[4] = counter[3]
      else
        local change, next_ = cell[1], read(counter, bytes)
        if next_ then
          -- The same table, for its key's list has it too.
          for i = 3, 12 do cell[i] = next_[i] end
          if change == 2 then cell[10] = 2 end
        else
          plain[c], left[c] = false, cell
        end
      end
    end
  end
end

-- An end as Redis is told it. It would print a number with %.17g, dear and once for each key; most keys of a run end at
-- few different times.
local slack, textOf = V[5], {}
local function textOfEnd(ends)
  local text = textOf[ends]
  if not text then
    text = string.format('%.0f', ends)
    textOf[ends] = text
  end
  return text
end

-- Tells Redis how long a key means anything: until `ends`, in ms, and no shorter than it was told before.
local function expire(key, ends, isNew)
  if slack > 0 then
    call('PEXPIRE', key, textOfEnd(slack + (ends > redisNow and ends - redisNow or 0)))
  elseif isNew then
    call('PEXPIREAT', key, textOfEnd(ends))
  else
    call('PEXPIREAT', key, textOfEnd(ends), 'GT')
  end
end

-- 4. Judge the requests in order, each on what those before it left.
local reply, r, decide, write = { redisNow, 0, nil, nil, nil, nil, nil, nil }, 2, nil, nil
for request = 1, V[3] do
  local op, cost, amount, q = A[p], A[p + 1] * 65536 + A[p + 2], 0, p + 3
  local mode, isPlain, isAnswered = op % 4, true, false
  if op % 16 > 7 then
    local at = (A[q] * 65536 + A[q + 1]) * 65536 + A[q + 2]
    if at ~= now and op % 8 < 4 then
      now = at
      goOn()
    end
    q = q + 3
  elseif V[7] > 0 then
    -- At the time of Redis, though others are not.
    isPlain = false
  end
  if op > 127 and op < 256 then
    local last = q + 2 * A[q]
    for i = q + 2, isPlain and last or 0, 2 do
      local cell = plain[A[i]]
      if not cell or cost > cell[ROOM] then isPlain = false break end
    end
    if isPlain then
      local least, tightest, ordinal, left_, its = 2, 0, 0, 0, nil
      for i = q + 1, last, 2 do
        local cell, max = plain[A[i + 1]], variants[A[i]][MAX]
        local total = cell[TOTAL] + cost
        cell[CHANGE], cell[TOTAL], cell[LAST_W], cell[ROOM] = cell[LONGER], total, cell[LAST_W] + cost,
          cell[ROOM] - cost
        ordinal = ordinal + 1
        if (max - total) / max < least then
          least, tightest, left_, its = (max - total) / max, ordinal, max - total, cell
        end
      end
      local counter = its[SHAPE][COUNTER]
      reply[r + 1], reply[r + 2], reply[r + 3] = 1024 * tightest, left_,
        (its[BASE] + its[LAST] + counter[TICKS] + 1) * counter[TICK] - now
      p, r, isAnswered = last + 1, r + 3, true
    end
  elseif op > 2 then
    if mode == 3 or op % 8 > 3 or op % 64 > 15 or op > 511 then
      isPlain = false
    else
      if op % 128 > 63 then
        amount = ((A[q] * 65536 + A[q + 1]) * 65536 + A[q + 2]) * 65536 + A[q + 3]
        q = q + 4
      end
    end
  end
  local uses, from = A[q], q + 1
  if isPlain and not isAnswered then
    q = from
    for _ = 1, uses do
      local variant, flags = variants[A[q]], A[q + 1]
      local cells = q + 1
      q = q + 2 + variant[COUNTERS]
      if flags > 1 then
        local w = cost
        if variant[KIND] == 1 then w = amount end
        if flags > 3 or w == 0 then isPlain = false break end
        for i = cells + 1, q - 1 do
          local cell = plain[A[i]]
          if not cell or w > cell[ROOM] then isPlain = false break end
        end
        if not isPlain then break end
      elseif mode < 2 then
        for i = cells + 1, q - 1 do
          local cell = plain[A[i]]
          if not cell or cell[ROOM] < 1 then isPlain = false break end
        end
        if not isPlain then break end
      end
    end
  end
  if isAnswered then
    -- Brief.
  elseif isPlain then
    p, q = q, from
    local head, least, tightest, left_, ordinal, emptied = r + 1, 2, 0, 0, 0, nil
    for _ = 1, uses do
      local variant, flags, cells = variants[A[q]], A[q + 1], q + 1
      q = q + 2 + variant[COUNTERS]
      if flags > 1 and mode ~= 1 then
        local w = cost
        if variant[KIND] == 1 then w = amount end
        for i = cells + 1, q - 1 do
          local cell = plain[A[i]]
          cell[CHANGE], cell[TOTAL], cell[LAST_W], cell[ROOM] = cell[LONGER], cell[TOTAL] + w, cell[LAST_W] + w,
            cell[ROOM] - w
        end
      end
      if flags ~= 2 and mode < 2 then
        local limits = variant[LIMITS]
        if variant[FLAGS] > 1 then
          ordinal = ordinal + #limits / 4
        else
          for i = 1, #limits, 4 do
            local cell, max = plain[A[cells + limits[i]]], limits[i + 1]
            local remaining = max - cell[TOTAL]
            ordinal = ordinal + 1
            if remaining / max < least then
              least, tightest, left_, emptied = remaining / max, ordinal, remaining, cell
            end
          end
        end
      end
    end
    r = head
    reply[head] = 1024 * tightest
    if tightest > 0 then
      local reset = 0
      if emptied[TOTAL] > 0 then
        local counter = emptied[SHAPE][COUNTER]
        reset = (emptied[BASE] + (emptied[LAST_W] > 0 and emptied[LAST] or emptied[OLD]) + counter[TICKS] + 1)
          * counter[TICK] - now
      end
      reply[r + 1], reply[r + 2] = left_, reset
      r = r + 2
    end
  else
    if not decide then
      decide, write = general(A, words, V, counters, variants, plain, left, others, bytesOf, expire,
        redisNow, clock[2], reply)
    end
    p, r = decide(request, p, r)
  end
end

-- 5. Write what changed.
if write then reply[2] = write() end
local keys = KEYS

-- Until when a cell that was changed means anything, in ms: of sliced ones two slices at a time, so that every other
-- slice its key is told nothing.
local function endOf(cell)
  local counter = cell[3][2]
  local k = cell[4] + (cell[8] > 0 and cell[7] or cell[11])
  if counter[1] > 1 then k = k - k % 2 + 1 end
  return (k + counter[2] + 1) * counter[1]
end

for k = 1, #keys - V[4] do
  local cell = ofKey[k]
  local change = cell and cell[CHANGE]
  if change == 3 then
    local args, ends = {}, 0
    for i = 2, #cell do
      local its = cell[i]
      if its[CHANGE] then
        args[#args + 1] = its[SHAPE][COUNTER][FIELD]
        args[#args + 1] = bytesOf(its)
        if its[CHANGE] == 2 and endOf(its) > ends then ends = endOf(its) end
      end
    end
    for i = 1, #args, 1000 do call('HSET', keys[k], unpack(args, i, #args < i + 999 and #args or i + 999)) end
    if ends > 0 then expire(keys[k], ends, cell[2][IS_NEW]) end
  elseif change then
    local key, shape, lastW = keys[k], cell[SHAPE], cell[LAST_W]
    local counter = shape[COUNTER]
    call('HSET', key, counter[FIELD], lastW == 0 and cell[BYTES]
      or pack(shape[WRITE], shape[START], cell[BASE], cell[TOTAL], cell[PAIRS], cell[LAST], lastW))
    if change == 2 then
      if slack > 0 or lastW == 0 then
        expire(key, endOf(cell), cell[IS_NEW])
      else
        -- The same for all cells of the counter.
        local ends = counter[ENDS]
        if not ends then
          ends = textOfEnd(endOf(cell))
          counter[ENDS] = ends
        end
        if cell[IS_NEW] then call('PEXPIREAT', key, ends) else call('PEXPIREAT', key, ends, 'GT') end
      end
    end
  end
end
return reply
