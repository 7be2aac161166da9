#!lua flags=allow-oom
-- Ask whoever runs a message to stop, and forget its new terms. ARGV[3]: its id.

local pk = call('HGET', prefix .. 'ids', ARGV[3])
if not pk then
  return 0
end
local m = about(pk)
if m.state ~= RUNNING then
  return 0
end
refer(m.later_args, -1)
call('HDEL', prefix .. 'm:' .. pk, 'n', 'nh', 'nz', 'nk', 'ng')
call('HSET', prefix .. 'm:' .. pk, 'a', '1')
call('SADD', prefix .. 'asked', pk)
return 1
