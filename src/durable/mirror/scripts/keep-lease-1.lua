--[[
  Prolongs or ends a lease, if it is still the caller's: one that has stood still for longer than its lease would
  otherwise take away what belongs to another by now.

  KEYS[1] lease: string, the node that holds it
  ARGV[1] the caller
  ARGV[2] milliseconds from now on; 0 ends it

  Returns 1 where it was the caller's, else 0
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
