-- Takes back what a request reserved on this node when another node refused it. The script is names.lua, cells.lua,
-- sets.lua and this file, one behind the other.
--
-- KEYS     an entity's hash, [the key of the request's event]
-- ARGV     when it was counted, in ms; the time now where the callers give it, else ''; then for each counter that it
--          moved its field, measure and weight, and the member it put into a set, else ''
-- returns  how many counters were put back
--
-- Only what is certainly the reservation's goes: a weight at its very tick, a member that was not there before and that
-- nobody has seen since. Whatever else stays, which refuses too much rather than too little. The event goes with it, so
-- that its repeat is judged anew.
local clock = call('TIME')
local now = tonumber(ARGV[2]) or clock[1] * 1000 + (clock[2] - clock[2] % 1000) / 1000
local at_ = tonumber(ARGV[1])

local function holds(c, k)
  local ks, _, n = explode(c)
  for i = 1, n do
    if ks[i] == k then return true end
  end
  return false
end

local put, n = 0, 0
for i = 3, #ARGV, 4 do
  n = n + 1
  local field, measure, member = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 3]
  cField[n], cMeasure[n], cKind[n] = field, measure, false
  cWindow[n] = tonumber(string.match(field, '/(%d+)$'))
  local value = pcall_('HGET', KEYS[1], field)
  if type(value) == 'table' then return value end
  load(n, n, value)
  cPrint[n] = stamp[n]
  if not bad[n] and last[n] then
    local s = tick[n]
    if measure == 2 then
      dirty[n] = takeMember(n, member, at_)
    elseif holds(n, (at_ - at_ % s) / s) then
      dirty[n] = take(n, tonumber(ARGV[i + 2]), at_, now)
    end
  end
end
for c = 1, n do
  if dirty[c] then
    local value = bytesOf(c, c, now)
    put = put + 1
    if value then call('HSET', KEYS[1], cField[c], value) else call('HDEL', KEYS[1], cField[c]) end
  end
end
if KEYS[2] then call('DEL', KEYS[2]) end
return put
