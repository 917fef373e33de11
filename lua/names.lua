-- Names that the parts of a script share.

local unpack_, pack = struct.unpack, struct.pack
local byte, sub, rep, find = string.byte, string.sub, string.rep, string.find
local call, pcall_ = redis.call, redis.pcall
local EXACT = 9007199254740991
local POW = { 256, 65536, 16777216, 4294967296, 1099511627776, 281474976710656, 72057594037927936, EXACT * 2048 }

-- Narrowest offsets that leave a quarter of a window before the base must move again.
local function offsetWidth(span, n)
  local need, width = n + n / 4, 1
  if need < span then need = span end
  while POW[width] <= need do width = width + 1 end
  return width
end
