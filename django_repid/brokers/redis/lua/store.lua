#!lua
-- Write buckets. ARGV[3…]: for each its id, when it was stored, its ttl, whether its id was
-- generated ("listed": a result that says what it came from), and what it holds.

local now, done = time(), {}
for place = 3, #ARGV, 5 do
  local stored_at, generated = ARGV[place + 1], ARGV[place + 3]
  local listed = generated == 'listed'
  store_bucket(ARGV[place], stored_at, ARGV[place + 2], listed and '0' or generated,
    ARGV[place + 4], now, listed)
  if listed then
    done[#done + 1] = stored_at == '' and now or stored_at
    done[#done + 1] = ARGV[place]
  end
end
if #done > 0 then
  list_done(done)
end
return 0
