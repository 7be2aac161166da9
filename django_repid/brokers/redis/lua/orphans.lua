#!lua flags=allow-oom
-- Workers that are not known, and how many messages each holds. ARGV[3]: before when what nobody's
-- worker seized must have been claimed.

local found = {}
for _, worker in ipairs(call('SMEMBERS', prefix .. 'runners')) do
  local running, count = prefix .. 'run:' .. worker, 0
  if call('HEXISTS', prefix .. 'workers', worker) == 0 then
    count = call('SCARD', running)
    if count == 0 then
      call('SREM', prefix .. 'runners', worker)
    elseif worker == '0' then
      count = 0
      for _, pk in ipairs(call('SMEMBERS', running)) do
        if tonumber(call('HGET', prefix .. 'm:' .. pk, 'c')) < tonumber(ARGV[3]) then
          count = count + 1
        end
      end
    end
  end
  if count > 0 then
    found[#found + 1] = worker
    found[#found + 1] = whole(count)
  end
end
return found
