-- Sends the requests of the file REQUESTS (each ends in a zero byte) in turn.
local requests, at = {}, 0

function init(args)
   local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
   for request in file:read("*a"):gmatch("([^%z]+)%z") do requests[#requests + 1] = request end
   file:close()
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
