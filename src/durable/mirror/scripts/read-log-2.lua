--[[
  Reads events of one partition's log, only as far as they are whole: the first stands at the asked position, and there
  is no hole behind it. With the entries comes what the mirror covers at this very moment, so that a log that was
  trimmed or seeded again can't be skipped silently.

  KEYS[1] meta: hash {gen, last, top, floor}
  KEYS[2] log: stream of the partition, entry id <position>-0
  ARGV[1] the first position wanted
  ARGV[2] most entries      ARGV[3] bytes after which no further entries are read

  Returns {gen, floor, last, traces, position, channel, offset, line, position, …}; gen '' where there is no meta. No
  entries and `last` at or above the asked position mean: the log can't say. `traces`: of entries that are traced,
  `position:traceparent` with blanks between; as a rule empty.
]]
local metaKey, logKey = KEYS[1], KEYS[2]
local from, limit, maxBytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- Grows, so that a log of large entries is not read far beyond maxBytes.
local chunk = 16

local meta = redis.call('HMGET', metaKey, 'gen', 'floor', 'last')
local gen, floor, last = meta[1], tonumber(meta[2] or ''), tonumber(meta[3] or '')
if not (gen and floor and last) then return { '', 0, 0, '' } end

local reply = { gen, floor, last, '' }
if from < floor or from > last then return reply end

local expected, bytes, count = from, 0, 0
while count < limit and bytes < maxBytes do
  local wanted = math.min(chunk, limit - count)
  local entries = redis.call('XRANGE', logKey, string.format('%.0f', expected), '+', 'COUNT', wanted)
  for _, entry in ipairs(entries) do
    local position, fields = string.match(entry[1], '^%d+'), entry[2]
    if tonumber(position) ~= expected then return reply end
    reply[#reply + 1] = position
    reply[#reply + 1] = fields[2]
    reply[#reply + 1] = fields[4]
    reply[#reply + 1] = fields[6]
    if fields[8] then reply[4] = reply[4] .. position .. ':' .. fields[8] .. ' ' end
    bytes = bytes + #fields[6]
    count = count + 1
    expected = expected + 1
  end
  if #entries < wanted then break end
  chunk = math.min(chunk * 2, 256)
end
return reply
