#!lua flags=allow-oom
-- Free what a dead worker ran. ARGV[3]: the worker ("0": what nobody's worker seized). ARGV[4]: the
-- beat at which it must still stand, or '' for one that must be unknown. ARGV[5]: the level of
-- suspicion that its messages get at least. ARGV[6]: the highest level. ARGV[7]: before when they
-- must have been claimed. ARGV[8]: how many at most. Returns how many, or -1 if it is not dead.

local worker, beat = ARGV[3], ARGV[4]
local least, most, before = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if beat == '' then
  if call('HEXISTS', prefix .. 'workers', worker) == 1 then
    return -1
  end
elseif call('HGET', prefix .. 'beats', worker) ~= beat then
  return -1
else
  call('HDEL', prefix .. 'workers', worker)
  call('HDEL', prefix .. 'beats', worker)
end

local running, freed = prefix .. 'run:' .. worker, 0
for _, pk in ipairs(call('SMEMBERS', running)) do
  local key = prefix .. 'm:' .. pk
  local m = call('HMGET', key, 'h', 'r', 'u', 'c')
  if freed < tonumber(ARGV[8]) and tonumber(m[4]) < before then
    local level = tonumber(m[3] or '0')
    if level < most then
      level = math.min(math.max(level + 1, least), most)
    end
    call('SREM', running, pk)
    call('HDEL', key, 'w', 'c')
    call('HINCRBY', key, 'x', 1)
    call('HSET', key, 's', READY, 'u', whole(level))
    enter_ready(pk, m[1], m[2])
    freed = freed + 1
  end
end
if call('EXISTS', running) == 0 then
  call('SREM', prefix .. 'runners', worker)
end
if freed > 0 then
  ring()
end
return freed
