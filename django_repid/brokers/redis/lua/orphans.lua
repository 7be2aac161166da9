#!lua flags=allow-oom
-- Workers that are not known, and how many messages each holds. ARGV[3]: before when what nobody's
-- worker seized must have been claimed.

local found = {}
for _, worker in ipairs(call('SMEMBERS', prefix .. 'runners')) do
  local running = prefix .. 'run:' .. worker
  local count = call('SCARD', running)
  if worker == '0' then
    count = 0
    for _, pk in ipairs(call('SMEMBERS', running)) do
      if tonumber(call('HGET', prefix .. 'm:' .. pk, 'c')) < tonumber(ARGV[3]) then
        count = count + 1
      end
    end
  elseif call('HEXISTS', prefix .. 'workers', worker) == 1 then
    count = 0
  elseif count == 0 then
    call('SREM', prefix .. 'runners', worker)
  end
  if count > 0 then
    found[#found + 1] = worker
    found[#found + 1] = whole(count)
  end
end
return found
