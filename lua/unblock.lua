-- Lifts the blocks of one entity tuple, and forgets how far they had escalated. The script is names.lua, cells.lua
-- and this file.
--
-- KEYS[1]  the entity's hash
-- ARGV[1]  the caller's time in ms, '' for Redis time
-- returns  how many limits had it blocked; -1 if a field was written by another version
--
-- One script, so that no check can write between the look and the change.
local clock = call('TIME')
local now = tonumber(ARGV[1]) or clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000
local all, lifted, changes = call('HGETALL', KEYS[1]), 0, {}
for i = 1, #all, 2 do
  local version, flags, widths = byte(all[i + 1], 1, 3)
  if version ~= 1 or not widths or flags > 31 then return -1 end
  if flags % 16 >= 8 then
    local value = takeExtras(1, all[i + 1], flags)
    if not value then return -1 end
    for _, state in pairs(blocks[1]) do
      if state[2] > now then lifted = lifted + 1 end
    end
    -- The life stays: events may still be undone.
    local own = flags >= 16 and sub(all[i + 1], 6, 7) or ''
    if widths > 0 then
      changes[all[i]] = pack('>BB', 1, flags - 8) .. sub(value, 3, 5) .. own .. sub(value, 6)
    else
      changes[all[i]] = false
    end
  end
end
for field, value in pairs(changes) do
  if value then call('HSET', KEYS[1], field, value) else call('HDEL', KEYS[1], field) end
end
return lifted
