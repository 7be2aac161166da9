#!lua flags=allow-oom
-- Leave messages to others that their claimant cannot read. ARGV[3]: until when. ARGV[4…]: for each
-- its key and its lease.

for place = 4, #ARGV, 2 do
  local pk = ARGV[place]
  local key = prefix .. 'm:' .. pk
  local m = call('HMGET', key, 'l', 's', 'h', 'w')
  if m[2] == RUNNING and m[1] == ARGV[place + 1] then
    call('SREM', prefix .. 'run:' .. (m[4] or '0'), pk)
    call('HDEL', key, 'w', 'c')
    call('HSET', key, 's', READY, 'r', ARGV[3])
    enter_ready(pk, m[3], ARGV[3])
  end
end
return 0
