#!lua flags=allow-oom
-- Let others see that the worker ARGV[3] takes no more.

if call('HEXISTS', prefix .. 'workers', ARGV[3]) == 1 then
  call('SADD', prefix .. 'draining', ARGV[3])
end
return 0
