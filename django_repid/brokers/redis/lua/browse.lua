#!lua flags=no-writes
-- Look through a queue by keys. ARGV[3]: the queue. ARGV[4]: its category. ARGV[5]: the key after
-- which to begin. ARGV[6]: how many are wanted. ARGV[7…]: the topics, none for all.
-- Looks at a bounded number of messages; returns where to go on ('' at the end), and what it found.

local LOOKS = 1000

local queue, category, wanted, now = ARGV[3], ARGV[4], tonumber(ARGV[6]), tonumber(time())
local topics = {}
for place = 7, #ARGV do
  topics[ARGV[place]] = true
end

local function fits(pk)
  local m = call('HMGET', prefix .. 'm:' .. pk, 's', 'h', 'r')
  if #ARGV >= 7 and not topics[string.match(m[2], '^%S+ (%S+)')] then
    return false
  end
  if category == 'DEAD' then
    return m[1] == DEAD
  end
  return m[1] == READY and (tonumber(m[3]) > now) == (category == 'DELAYED')
end

local index = prefix .. (category == 'DEAD' and 'dead:' or 'all:') .. queue
local keys = call('ZRANGEBYSCORE', index, '(' .. ARGV[5], '+inf', 'LIMIT', 0, LOOKS)
local found, last = {}, ''
for _, pk in ipairs(keys) do
  if #found >= wanted then
    return {last, found}
  end
  if fits(pk) then
    found[#found + 1] = show(pk)
  end
  last = pk
end
return {#keys < LOOKS and '' or last, found}
