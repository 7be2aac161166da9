#!lua
-- Write messages, all or none. ARGV[3]: whether to ring. ARGV[4]: JSON, for each message
-- [id, head, policy, run_at, tick, schedule, args id, whether its bucket comes along, the bucket's
-- ttl, whether its id was generated]; then, for each, its body and its bucket.
-- Returns the time and, for each, what was written ("pk lease") or what stands there.

local metas, now = cjson.decode(ARGV[4]), time()
local pending, order = {}, {}

local function standing(id)
  local pk = call('HGET', prefix .. 'ids', id)
  if not pk then
    return nil
  end
  local m = about(pk)
  local more = call('HMGET', prefix .. 'm:' .. pk, 'l', 't', 'x', 'z', 'r')
  m.lease, m.tries, m.crashes = more[1], more[2] or '0', more[3] or '0'
  m.schedule, m.run_at = more[4], more[5]
  return m
end

-- Before anything is written: one that may not stand there refuses them all.
local seen = {}
for _, meta in ipairs(metas) do
  if meta[3] == 'raise' then
    local found = standing(meta[1])
    if seen[meta[1]] or (found and found.state ~= DEAD) then
      return {now, 'duplicate', meta[1]}
    end
  end
  seen[meta[1]] = true
end

local function put(pk, lease, meta, body)
  local run_at = meta[4] == '' and now or meta[4]
  local fields = {'b', body, 'h', meta[2], 'i', meta[1], 's', READY, 'l', lease,
    'r', run_at, 'd', run_at, 'e', now}
  for name, value in pairs({k = meta[5], z = meta[6], g = meta[7]}) do
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  call('HSET', prefix .. 'm:' .. pk, unpack(fields))
  if meta[7] ~= '' then
    refer(meta[7], 1)
  end
  if not pending[pk] then
    order[#order + 1] = pk
  end
  pending[pk] = {meta[2], run_at}
end

-- The terms of a recurring message, now or after the occurrence that is under way.
local function on_new_terms(m, meta, body)
  local key = prefix .. 'm:' .. m.pk
  if pending[m.pk] then
    pending[m.pk][1] = meta[2]
  else
    leave(m)
    call('ZREM', prefix .. 'all:' .. queue_of(m.head), m.pk)
    order[#order + 1] = m.pk
    pending[m.pk] = {meta[2], m.run_at}
  end
  wait_for(m.pk, m.waits, false)
  call('SREM', prefix .. 'asked', m.pk)
  refer(m.args, -1)
  refer(m.later_args, -1)
  call('HDEL', key, 'f', 'a', 'g', 'n', 'nh', 'nz', 'nk', 'ng')
  call('HSET', key, 'b', body, 'h', meta[2], 'z', meta[6], 'e', now)
  if meta[7] ~= '' then
    call('HSET', key, 'g', meta[7])
    refer(meta[7], 1)
  end
end

local function renew_later(m, meta, body)
  local key = prefix .. 'm:' .. m.pk
  refer(m.later_args, -1)
  call('HDEL', key, 'ng')
  call('HSET', key, 'n', body, 'nh', meta[2], 'nz', meta[6], 'nk', meta[5])
  if meta[7] ~= '' then
    call('HSET', key, 'ng', meta[7])
    refer(meta[7], 1)
  end
end

-- Whether new terms were taken over: true, 'stays' for one that stays as it is, or false.
local function renew(m, meta, body)
  if not m.schedule then
    return false
  end
  local same = m.schedule == meta[6]
  if m.state == RUNNING or (m.state == READY and (m.tries ~= '0' or m.crashes ~= '0')) then
    renew_later(m, meta, body)
    return true
  elseif m.state == READY and same then
    on_new_terms(m, meta, body)
    return true
  elseif m.state == DEAD and same and string.sub(m.schedule, 1, 1) == 'd' then
    return 'stays'
  end
  return false
end

local function write(meta, body, new_pk)
  local id, policy = meta[1], meta[3]
  if call('HSETNX', prefix .. 'ids', id, new_pk) == 1 then
    put(new_pk, '0', meta, body)
    return new_pk .. ' 0', true
  end
  local m = standing(id)
  local renewed = policy == 'renew' and renew(m, meta, body)
  if renewed == true then
    return m.pk .. ' ' .. m.lease, true
  end
  local replaceable = m.state == DEAD
    or (m.state == READY and (policy == 'replace' or policy == 'renew'))
  if renewed == 'stays' or policy == '' or not replaceable then
    return '!' .. show(m.pk), false
  end
  if pending[m.pk] then
    -- Its place in the indexes is still to be written, and will be that of the new one.
    wait_for(m.pk, m.waits, false)
    refer(m.args, -1)
    refer(m.later_args, -1)
  else
    detach(m)
  end
  call('DEL', prefix .. 'm:' .. m.pk)
  put(m.pk, m.lease, meta, body)
  return m.pk .. ' ' .. m.lease, true
end

local last = numbers('seq', #metas)
local answers, text, chosen = {now, 'written'}, 4, {}
for place, meta in ipairs(metas) do
  text = text + 1
  local answer, written = write(meta, ARGV[text], string.format('%016.0f', last + place))
  answers[#answers + 1] = answer
  if meta[8] == '1' then
    text = text + 1
    if written then
      store_bucket(meta[7], '', meta[9], meta[10], ARGV[text], now)
      if meta[10] ~= '1' then
        chosen[#chosen + 1] = meta[7]
      end
    end
  end
end

local ready, all = {}, {}
local function gather(into, name, score, pk)
  local list = into[name]
  if not list then
    list = {}
    into[name] = list
  end
  list[#list + 1] = score
  list[#list + 1] = pk
end
for _, pk in ipairs(order) do
  local head, run_at = unpack(pending[pk])
  gather(ready, head, run_at, pk)
  gather(all, queue_of(head), pk, pk)
end
for head, pairs_ in pairs(ready) do
  many('ZADD', prefix .. 'ready:' .. head, pairs_)
  call('SADD', prefix .. 'heads', head)
end
for queue, pairs_ in pairs(all) do
  many('ZADD', prefix .. 'all:' .. queue, pairs_)
end
free(chosen, now)
if ARGV[3] == '1' then
  ring()
end
return answers
