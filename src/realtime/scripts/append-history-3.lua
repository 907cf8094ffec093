-- Numbers a publication, keeps it in the channel's short history and publishes it: one act, so that the history
-- and what subscribers see can't disagree, and every subscriber sees one order.
--
-- KEYS[1] history: stream of encoded publications, entry id '<offset>-0', field 'p'
-- KEYS[2] meta: hash; 'epoch' names this life of the numbering, 'offset' is its head, 'run' the run of the server
--         that it was made on
-- KEYS[3] memory: hash of the outcome, where an idempotency key was given; otherwise not looked at
-- ARGV    notAfter (milliseconds by this Redis' clock, 0 for no limit), newEpoch, size, ttlMs, metaTtlMs,
--         memoryMs (0: no idempotency key), bus channel, message head, message tail, publication head,
--         publication tail; heads and tails stand around the offset, and the message's around the publication;
--         run: the present run of the server ('?': ask it, '': not known)
-- RETURN  {clock in milliseconds, 'stored' | 'known' | 'late', offset, epoch}
local history, meta, memory = KEYS[1], KEYS[2], KEYS[3]
local notAfter, newEpoch, size, ttlMs, metaTtlMs = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local memoryMs, channel = ARGV[6], ARGV[7]
local messageHead, messageTail, publicationHead, publicationTail = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local run = ARGV[12]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if memoryMs ~= '0' then
  local known = redis.call('HMGET', memory, 'offset', 'epoch')
  if known[1] then return { now, 'known', tonumber(known[1]), known[2] } end
end
if notAfter > 0 and now > notAfter then return { now, 'late', 0, '' } end

-- A server that was started again, or another one that took over, may know less than clients have seen: the same
-- number could then stand for two publications. So each run of a server begins a new life.
if run == '?' then run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '' end
local place = redis.call('HMGET', meta, 'epoch', 'run')
local epoch = place[1]
if epoch and run ~= '' and place[2] and place[2] ~= run then
  redis.call('DEL', meta)
  epoch = false
end
if not epoch then
  epoch = newEpoch
  -- A stream of an older life may have outlived its meta; its higher ids would refuse the new ones.
  redis.call('DEL', history)
  redis.call('HSET', meta, 'epoch', epoch)
  place[2] = false
end
if run ~= '' and not place[2] then redis.call('HSET', meta, 'run', run) end
local offset = redis.call('HINCRBY', meta, 'offset', 1)
redis.call('PEXPIRE', meta, metaTtlMs)
-- Where a node of an older release has begun this life, it has left the stream of the one before.
if offset == 1 then redis.call('DEL', history) end

local number = string.format('%.0f', offset)
local publication = publicationHead .. number .. publicationTail
redis.call('XADD', history, 'MAXLEN', size, number .. '-0', 'p', publication)
redis.call('PEXPIRE', history, ttlMs)
redis.call('PUBLISH', channel, messageHead .. number .. ' ' .. epoch .. messageTail .. publication .. '}}')
if memoryMs ~= '0' then
  redis.call('HSET', memory, 'offset', number, 'epoch', epoch)
  redis.call('PEXPIRE', memory, memoryMs)
end
return { now, 'stored', offset, epoch }
