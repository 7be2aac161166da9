#!lua flags=allow-oom
-- Claim one message by its id for no worker. ARGV[3]: the id. ARGV[4…]: the states it may be in.

local pk = call('HGET', prefix .. 'ids', ARGV[3])
if not pk then
  return false
end
local m = about(pk)
for place = 4, #ARGV do
  if ARGV[place] == m.state then
    local key = prefix .. 'm:' .. pk
    leave(m)
    if m.state == DEAD then
      call('ZADD', prefix .. 'all:' .. queue_of(m.head), pk, pk)
    end
    call('HDEL', key, 'w')
    call('HINCRBY', key, 'l', 1)
    call('HSET', key, 's', RUNNING, 'c', time())
    call('SADD', prefix .. 'run:0', pk)
    call('SADD', prefix .. 'runners', '0')
    return show(pk)
  end
end
return false
