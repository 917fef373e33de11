-- Bringing cells to now, and what a missing counter starts from. A part of the decide script; see decide.lua for the
-- contract.

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
        if isSet[c] then layOut(c, k, first[c] < k and first[c] or k, k) else step(c, k) end
        stepped = true
      end
    end
    if first[c] < k - ticks[c] then
      if isSet[c] then dropMembers(c, k - ticks[c]) else drop(c, k - ticks[c]) end
    end
    if last[c] then return k, stepped end
  end
  local s = cTick[counter]
  return (now - now % s) / s, stepped
end

-- A counter that is not there, of a rule whose windows were edited, starts from the pairs of another window of the
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
    local from = { tick = tick[c], n = 0, blocks = not other.inForce and blocks[c] or nil }
    if last[c] and isSet[c] then
      local ends, width = #body[c], MEMBER + offW[c]
      while other.inForce and ends > 0 and seenAt(c, ends - width + 1) >= birth do ends = ends - width end
      from.n, from.base, from.offW, from.body = ends / width, base[c], offW[c], sub(body[c], 1, ends)
    elseif last[c] then
      local k, w, n = explode(c)
      while other.inForce and n > 0 and k[n] * from.tick >= birth do n = n - 1 end
      from.n, from.k, from.w = n, k, w
    end
    clear(c)
    blocks[c] = nil
    if from.n > 0 or from.blocks then
      origin[c] = from
      return
    end
  end
end

-- Lays out a missing cell from its origin. What a pair stands for happened at the latest at the end of its tick, and
-- not after now: that is where it goes, so that it is held too long, by one old tick at most, and never too short.
local function start(c, counter, now)
  local from, s = origin[c], cTick[counter]
  longer[c], blocks[c] = true, from.blocks
  if from.n == 0 then return end
  tick[c], ticks[c] = s, math.ceil(cWindow[counter] / s)
  if isSet[c] then
    base[c], offW[c], body[c], at[c] = from.base, from.offW, from.body, 1
    return measureSet(c)
  end
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
  implode(c, regroup(ks, ws, from.n, function(own) return own end))
end

-- All of a cell but its blocks, which change only for good.
local function save(c)
  return { tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c],
    total[c], life[c] }
end

local function restore(c, s)
  tick[c], ticks[c], base[c], offW[c], wgtW[c], body[c], at[c], first[c], firstW[c], last[c], lastW[c], total[c],
    life[c] = unpack(s, 1, 13)
end
