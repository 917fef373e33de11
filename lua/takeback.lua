-- Cells that something is taken back from. A part of the scripts undo and release.
local cells, keyOfCell = 0, {}

-- Reads a cell; returns its number, and the error if Redis has one.
local function openCell(key, field, measure)
  cells = cells + 1
  local c = cells
  keyOfCell[c], cField[c], cMeasure[c], cKind[c] = key, field, measure, false
  cWindow[c] = tonumber(string.match(field, '/(%d+)$'))
  local value = pcall_('HGET', key, field)
  if type(value) == 'table' then
    bad[c] = true
    return c, value
  end
  load(c, c, value)
  cPrint[c] = stamp[c]
  return c
end

-- Writes the cells that are changed; returns how many.
local function writeCells(now)
  local written = 0
  for c = 1, cells do
    if dirty[c] then
      local value = bytesOf(c, c, now)
      written = written + 1
      if value then call('HSET', keyOfCell[c], cField[c], value) else call('HDEL', keyOfCell[c], cField[c]) end
    end
  end
  return written
end
