#!lua flags=allow-oom
-- A sign of life. ARGV[3]: the worker. Returns whether it is known, and what it is to stop.

local worker, cancelled = ARGV[3], {}
for _, pk in ipairs(call('SMEMBERS', prefix .. 'asked')) do
  local m = about(pk)
  if m.state == RUNNING and m.worker == worker then
    cancelled[#cancelled + 1] = pk
  end
end
if call('HEXISTS', prefix .. 'workers', worker) == 0 then
  return {0, cancelled}
end
call('HINCRBY', prefix .. 'beats', worker, 1)
return {1, cancelled}
