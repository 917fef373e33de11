-- Takes back what a request reserved on this node when another node refused it. The script is names.lua, cells.lua,
-- sets.lua, takeback.lua and this file, one behind the other.
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

for i = 3, #ARGV, 4 do
  local measure = tonumber(ARGV[i + 1])
  local c, why = openCell(KEYS[1], ARGV[i], measure)
  if why then return why end
  if not bad[c] and last[c] then
    local s = tick[c]
    if measure == 2 then
      dirty[c] = takeMember(c, ARGV[i + 3], at_)
    elseif holds(c, (at_ - at_ % s) / s) then
      dirty[c] = take(c, tonumber(ARGV[i + 2]), at_, now)
    end
  end
end
local put = writeCells(now)
if KEYS[2] then call('DEL', KEYS[2]) end
return put
