-- Names that the parts of a script share.

local unpack_, pack = struct.unpack, struct.pack
local byte, sub, rep, find = string.byte, string.sub, string.rep, string.find
local call, pcall_ = redis.call, redis.pcall
local EXACT = 9007199254740991
local POW = { 256, 65536, 16777216, 4294967296, 1099511627776, 281474976710656, 72057594037927936, EXACT * 2048 }
