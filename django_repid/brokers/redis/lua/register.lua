#!lua
-- Make a worker known. ARGV[3]: who it is. Returns its number.

local worker = whole(numbers('worker_seq', 1) + 1)
call('HSET', prefix .. 'workers', worker, ARGV[3])
call('HSET', prefix .. 'beats', worker, '0')
return worker
