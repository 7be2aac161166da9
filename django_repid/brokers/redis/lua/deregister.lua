#!lua flags=allow-oom
-- Forget the worker ARGV[3]. What it has left behind makes it an orphans' owner.

local worker = ARGV[3]
call('HDEL', prefix .. 'workers', worker)
call('HDEL', prefix .. 'beats', worker)
if call('EXISTS', prefix .. 'run:' .. worker) == 0 then
  call('SREM', prefix .. 'runners', worker)
end
return 0
