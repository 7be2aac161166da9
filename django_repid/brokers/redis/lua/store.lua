#!lua
-- Write buckets. ARGV[3…]: for each its id, when it was stored, its ttl, whether its id was
-- generated, and what it holds.

local now = time()
for place = 3, #ARGV, 5 do
  store_bucket(ARGV[place], ARGV[place + 1], ARGV[place + 2], ARGV[place + 3], ARGV[place + 4], now)
end
return 0
