-- Sets: cells of distinct values, and what cells of all measures have in common. The second part of the scripts decide
-- and undo.
--
-- A set's entries, oldest first, ties in the order of arrival: member (16 bytes of the value's SHA-256) | when it was
-- last seen, in ms from the base, twice, plus 1 if it was seen again after it came in (offset width). All of them lie
-- in `body` from its first byte on, and are found and moved as bytes: the work is that of the C library, whatever the
-- set holds.
local MEMBER = 16
local setFormat = {}

local function entryOf(ow)
  local format = setFormat[ow]
  if not format then
    format = '>I' .. ow
    setFormat[ow] = format
  end
  return format, MEMBER + ow
end

-- When the entry at `place` was last seen, and whether again.
local function seenAt(c, place)
  local format = entryOf(offW[c])
  local o = unpack_(format, body[c], place + MEMBER)
  return base[c] + (o - o % 2) / 2, o % 2
end

-- Takes note of what `body` holds now.
local function measureSet(c)
  local width = MEMBER + offW[c]
  if #body[c] == 0 then return clear(c) end
  total[c], first[c], last[c] = #body[c] / width, (seenAt(c, 1)), (seenAt(c, #body[c] - width + 1))
end

local function decodeSet(c, counter, value, widths, window)
  local ow = (widths - widths % 16) / 16
  local width = MEMBER + ow
  local length = #value - 13
  if ow < 1 or ow > 6 or length < width or length % width ~= 0 then
    bad[c] = true
    return
  end
  local own, b = unpack_('>I2I6', value, 6)
  -- An undo takes a set as it is.
  if not cKind[counter] then cKind[counter] = own end
  if cKind[counter] ~= own then
    life[c] = nil
    return
  end
  tick[c], ticks[c], base[c], offW[c], body[c], at[c] = 1, window, b, ow, sub(value, 14), 1
  measureSet(c)
  if last[c] < first[c] or last[c] + window + 1 > EXACT then bad[c] = true end
end

-- Decodes a cell that counts over `window`.
local function decode(c, counter, value, window)
  local version, flags, widths = byte(value, 1, 3)
  if version ~= 1 or not widths or flags > 31 or #value < 5 then
    bad[c] = true
    return
  end
  stamp[c] = byte(value, 4) * 256 + byte(value, 5)
  if flags >= 8 then
    value = takeExtras(c, value, flags)
    if not value or flags % 8 >= 4 and widths == 0 then
      bad[c] = true
      return
    end
    flags = flags % 8
  end
  -- What another measure counted is nothing to this one; blocks are those of the rule.
  if widths == 0 or flags % 4 ~= cMeasure[counter] then
    life[c] = nil
    if widths == 0 and (not blocks[c] or #value > 5) then bad[c] = true end
    return
  end
  if flags % 4 == 2 then
    decodeSet(c, counter, value, widths, window)
  else
    decodePairs(c, value, flags, widths, window)
  end
end

local function load(c, counter, value)
  counterOf[c], raw[c], isSet[c] = counter, value, cMeasure[counter] == 2
  clear(c)
  if value then decode(c, counter, value, cWindow[counter]) end
end

-- Where the entry of `member` lies, or nil.
local function placeOf(c, member)
  if not last[c] then return nil end
  local text, width = body[c], MEMBER + offW[c]
  local place = find(text, member, 1, true)
  while place and (place - 1) % width ~= 0 do place = find(text, member, place + 1, true) end
  return place
end

-- Lays the entries out anew, those later than `latest` at that time, with room for times from `low` to `high`.
local function layOut(c, latest, low, high)
  local text, width, parts = body[c], MEMBER + offW[c], {}
  local ow = offsetWidth((high - low) * 2 + 1, ticks[c] * 2)
  local format = entryOf(ow)
  for place = 1, #text, width do
    local seen, again = seenAt(c, place)
    if seen > latest then seen = latest end
    parts[#parts + 1] = sub(text, place, place + MEMBER - 1)
    parts[#parts + 1] = pack(format, (seen - low) * 2 + again)
  end
  base[c], offW[c], body[c] = low, ow, table.concat(parts)
  measureSet(c)
end

local function dropMembers(c, floor)
  local text, width, place = body[c], MEMBER + offW[c], 1
  while place <= #text and seenAt(c, place) < floor do place = place + width end
  body[c] = sub(text, place)
  measureSet(c)
end

-- Sees `member` at tick `k` of a set that `advance` brought to now, or an aged outcome at its `own` time. Returns 1 if
-- it was not there and 0 if it was, and when.
local function addMember(c, counter, k, member, own)
  local window = cWindow[counter]
  if own then
    if own < k - window then return 0, 0 end
    k = own
  end
  dirty[c], changedBy[c] = true, item
  if not last[c] then
    tick[c], ticks[c], base[c], offW[c], body[c], at[c] = 1, window, k, offsetWidth(1, window * 2), '', 1
    first[c], last[c] = k, k
    longer[c] = true
  end
  local place, again = placeOf(c, member), 0
  if place then
    local seen = seenAt(c, place)
    again = 1
    if k < seen then
      local format, width = entryOf(offW[c])
      body[c] = sub(body[c], 1, place + MEMBER - 1) .. pack(format, (seen - base[c]) * 2 + 1)
        .. sub(body[c], place + width)
      return 0, seen
    end
    body[c] = sub(body[c], 1, place - 1) .. sub(body[c], place + MEMBER + offW[c])
  end
  if k < base[c] or (k - base[c]) * 2 + 1 >= POW[offW[c]] then
    local low, high = k < first[c] and k or first[c], k > last[c] and k or last[c]
    if #body[c] == 0 then
      base[c], offW[c] = k, offsetWidth(1, window * 2)
    else
      layOut(c, EXACT, low, high)
    end
  end
  local format, width = entryOf(offW[c])
  local entry = member .. pack(format, (k - base[c]) * 2 + again)
  local behind = #body[c] + 1
  while behind > 1 and seenAt(c, behind - width) > k do behind = behind - width end
  if behind > #body[c] then
    body[c] = body[c] .. entry
  else
    body[c] = sub(body[c], 1, behind - 1) .. entry .. sub(body[c], behind)
  end
  if k > last[c] then longer[c] = true end
  local excess = #body[c] / width - cCap[counter]
  if excess > 0 then body[c] = sub(body[c], excess * width + 1) end
  measureSet(c)
  return 1 - again, k
end

-- In how many ms a request passes `max`, 0 if it does now, -1 if it never will. It weighs 1, or nothing while `member`
-- is in the set; a `member` that is not asked for is nil.
local function roomForMember(c, max, member, now)
  if max == 0 then return -1 end
  if not last[c] then return 0 end
  local width, gone = MEMBER + offW[c], total[c] - max + 1
  local place = member and placeOf(c, member)
  -- While as many go as are too many, the member may still be there.
  if place and gone - 1 < (place - 1) / width + 1 then gone = gone - 1 end
  if gone <= 0 then return 0 end
  return seenAt(c, (gone - 1) * width + 1) + ticks[c] + 1 - now
end

-- Takes out a member that an event put in at time `own`, unless it was seen again.
local function takeMember(c, member, own)
  local place = placeOf(c, member)
  if not place then return false end
  local seen, again = seenAt(c, place)
  if seen ~= own or again == 1 then return false end
  body[c] = sub(body[c], 1, place - 1) .. sub(body[c], place + MEMBER + offW[c])
  measureSet(c)
  return true
end

-- The cell as it goes to Redis; nil if there is nothing to keep.
local function bytesOf(c, counter, now)
  local measure, print, value = cMeasure[counter], cPrint[counter], nil
  if last[c] then
    if isSet[c] then
      value = pack('>BBBI2I2I6', 1, 2, offW[c] * 16 + 1, print, cKind[counter], base[c]) .. body[c]
    else
      value = packPairs(c, measure, print)
    end
  end
  if not life[c] and not blocks[c] then return value end
  local flags, extras = life[c] and 16 or 0, life[c] and pack('>I2', life[c]) or ''
  if blocks[c] then
    local n, parts = 0, {}
    for verdict = 1, 3 do
      local state = blocks[c][verdict]
      -- What has long decayed goes; a day more, because a clock may be set back.
      if state and now - state[2] - state[1] * state[3] < 86400000 then
        n = n + 1
        parts[n] = pack('>BBI6I5', verdict, state[1], state[2], state[3])
      end
    end
    if n > 0 then flags, extras = flags + 8, extras .. pack('>B', n) .. table.concat(parts) end
  end
  if value then return pack('>BB', 1, byte(value, 2) + flags) .. sub(value, 3, 5) .. extras .. sub(value, 6) end
  if flags % 16 < 8 then return nil end
  return pack('>BBBI2', 1, measure + flags, 0, print) .. extras
end

-- Until when the cell means anything, in ms; two slices at a time, so that its key is told nothing every other slice.
local function needOf(c)
  local k, ends = last[c], 0
  if k then
    if tick[c] > 1 then k = k - k % 2 + 1 end
    ends = (k + ticks[c] + 1) * tick[c]
  end
  for _, state in pairs(blocks[c] or {}) do
    if state[2] + state[1] * state[3] > ends then ends = state[2] + state[1] * state[3] end
  end
  return ends
end
