-- Writing what requests that were judged in general have changed. See decide.lua for the contract.

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


-- One HSET for each key, in parts of 500 fields where it has more.
local function writeKey(k)
  local key, list = KEYS[k], cellsOf[k]
  local args, n, need, sweep = nil, 0, 0, false
  local oneField, oneValue
  for i = 1, #list do
    local c = list[i]
    if dirty[c] then
      local counter = counterOf[c]
      local value = bytesOf(c, counter, now)
      if value then
        n = n + 2
        if n == 2 then
          oneField, oneValue = cField[counter], value
        else
          args = args or { oneField, oneValue }
          args[n - 1], args[n] = cField[counter], value
        end
        if not raw[c] or stamp[c] ~= cPrint[counter] then sweep = cFields[counter] end
        if longer[c] then
          local ends = needOf(c)
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
              if dirty[c] and not raw[c] and (last[c] or blocks[c]) then
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
    if need > 0 then expire(key, need, fresh) end
  end
end

-- Events first: a user of Redis who may not write them writes nothing. Returns how many clock steps were corrected.
local function write()
  for i = 1, nEvents do
    local e = events[i]
    if e.changed then
      local parts = {}
      for j = 1, #e.counted do
        local c, counter, time, weight, own, member = unpack(e.counted[j], 1, 6)
        parts[j] = countedOf(keyOf[c], cField[counter], cMeasure[counter], time, weight, own, member)
      end
      e.counted = table.concat(parts)
      writeEvent(e, e.at, slack)
    end
  end
  for i = 1, nTaken do writeKey(taken[i]) end
  return steps
end

return decide, write
