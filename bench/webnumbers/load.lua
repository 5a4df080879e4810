-- Requests as a browser sends them, for wrk: wrk ... -s load.lua URL -- HOSTS PREFIX COUNT DELAY CONNECTION
-- HOSTS: a file with one host a line; PREFIX: of the path; COUNT: distinct requests of each thread; DELAY: milliseconds
-- that a connection waits before each of its requests, 0 for none; CONNECTION: keep-alive or close. Prints one line of JSON at the end.

local threads = 0
function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

local requests, at = {}, 0
function init(args)
  local hosts = {}
  for line in io.lines(args[1]) do hosts[#hosts + 1] = line end
  local count = tonumber(args[3])
  if tonumber(args[4]) > 0 then
    local wait = tonumber(args[4])
    function delay() return wait end
  end
  for number = 1, count do
    local id = number + thread_number * count
    local host = hosts[id * 37 % #hosts + 1]
    requests[number] = wrk.format("GET", args[2] .. id % 83 .. "/articles/item-" .. id .. ".html?page=" .. id % 11, {
      ["Host"] = host,
      ["Connection"] = args[5],
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      ["Accept-Encoding"] = "gzip, deflate",
      ["Accept-Language"] = "en-GB,en;q=0.9",
      ["Referer"] = "http://" .. host .. "/",
      ["Cookie"] = "session=8d1c0b7f5e6a4c2d9b3a1f0e7d6c5b4a; seen=" .. id,
    })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"bytes":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
