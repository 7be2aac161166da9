#!lua flags=allow-oom
-- Free what a live worker has not got in hand. ARGV[3]: the worker. ARGV[4…]: the keys it has.

local running, in_hand, freed = prefix .. 'run:' .. ARGV[3], {}, 0
for place = 4, #ARGV do
  in_hand[ARGV[place]] = true
end
for _, pk in ipairs(call('SMEMBERS', running)) do
  if not in_hand[pk] then
    local key = prefix .. 'm:' .. pk
    local m = call('HMGET', key, 'h', 'r')
    call('SREM', running, pk)
    call('HDEL', key, 'w', 'c')
    call('HSET', key, 's', READY)
    enter_ready(pk, m[1], m[2])
    freed = freed + 1
  end
end
return freed
