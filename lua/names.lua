-- Names that the parts of a script share.

local unpack_, pack = struct.unpack, struct.pack
local byte, sub, rep, find = string.byte, string.sub, string.rep, string.find
local call, pcall_ = redis.call, redis.pcall
local EXACT = 9007199254740991
local POW = { 256, 65536, 16777216, 4294967296, 1099511627776, 281474976710656, 72057594037927936, EXACT * 2048 }

-- Whether Redis says that a key lies on another node of the cluster, or cannot be reached now; what else it says of one
-- is that it holds something else.
local function isAway(value)
  return type(value) == 'table' and not find(value.err, 'WRONGTYPE', 1, true)
end

-- Narrowest offsets that leave a quarter of a window before the base must move again.
local function offsetWidth(span, n)
  local need, width = n + n / 4, 1
  if need < span then need = span end
  while POW[width] <= need do width = width + 1 end
  return width
end
