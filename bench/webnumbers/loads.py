"""The server and the loads: nginx outside, wrk and curl in the VM."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyperward.lab.deadline import wait_until
from webnumbers.ground import SERVER, Ground

SMALL, LARGE = "/s/", "/m/"
BULK_BYTES = 4 << 30
DISTINCT = 25_000
"""Requests of each of wrk's threads that differ: more together than verdicts are remembered, so that none is."""
THREADS = 2
_SCRIPT = Path(__file__).with_name("load.lua")
_NGINX = """daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  open_file_cache max=16;
  server {{
    listen {server}:80 backlog=4096;
    root {folder}/www;
    location {small} {{ rewrite ^ /1k.bin break; }}
    location {large} {{ rewrite ^ /100k.bin break; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk is told.

    Args:
        hosts: file with a host on each line.
        prefix: of the paths: `SMALL` or `LARGE`.
        seconds: how long.
        connections: how many.
        delay_ms: that each connection waits before a request.
        kept: whether a connection is kept for the next request.
    """

    hosts: Path
    prefix: str
    seconds: float
    connections: int
    delay_ms: int = 0
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """What wrk counted.

    Args:
        requests: that were answered.
        seconds: of the run.
        failed: requests without an answer, or with one that is not 2xx or 3xx.
        p50_us, p99_us: microseconds from request to answer.
    """

    requests: int
    seconds: float
    failed: int
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def parse_answered(output: str) -> Answered:
    """Return what the line of JSON says that `load.lua` prints among wrk's own lines.

    Raises:
        ValueError: there is none.
    """
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            found = json.loads(line)
            return Answered(
                found["requests"], found["duration_us"] / 1e6, found["failed"], found["p50_us"], found["p99_us"]
            )
    raise ValueError(f"wrk printed no result: {output.strip()[-300:]}")


@contextmanager
def web_server(ground: Ground) -> Iterator[None]:
    """Run nginx outside, with 1 KB for every path below `SMALL`, 100 KB below `LARGE`, and `/bulk.bin`."""
    folder = ground.folder / "nginx"
    www = folder / "www"
    www.mkdir(parents=True)
    (www / "1k.bin").write_bytes(b"x" * 1024)
    (www / "100k.bin").write_bytes(b"x" * 102_400)
    with (www / "bulk.bin").open("wb") as bulk:
        bulk.truncate(BULK_BYTES)  # sparse: reads cost no disk
    for path in (ground.folder, folder, www):
        path.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, server=SERVER, small=SMALL, large=LARGE))
    process = ground.start(
        ground.outside, ["nginx", "-e", f"{folder}/first-errors.log", "-c", str(config)], "nginx.log"
    )
    try:
        if not wait_until(lambda: fetch(ground, "up.test", "/1k.bin", 2).startswith("200"), 20):
            raise SystemExit(f"nginx does not answer: {(ground.folder / 'nginx.log').read_text()[-500:]}")
        yield
    finally:
        ground.end(process)


def wrk(ground: Ground, load: Load) -> Answered:
    """Ask from the VM, each request another one than those before it."""
    argv = ["wrk", f"-t{THREADS}", f"-c{load.connections}", f"-d{max(1, round(load.seconds))}s", "-s", str(_SCRIPT)]
    argv += [f"http://{SERVER}/", "--", str(load.hosts), load.prefix, str(DISTINCT), str(load.delay_ms)]
    argv.append("keep-alive" if load.kept else "close")
    return parse_answered(_output(ground, argv, load.seconds + 30))


def bulk(ground: Ground) -> float:
    """Return the Gbit/s of one large answer on one connection."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{speed_download} %{size_download}", f"http://{SERVER}/bulk.bin"]
    speed, size = _output(ground, argv, 600).split()
    if int(size) != BULK_BYTES:
        raise SystemExit(f"the bulk file came with {size} of {BULK_BYTES} bytes")
    return float(speed) * 8 / 1e9


def fetch(ground: Ground, host: str, path: str, seconds: float) -> str:
    """Return status code and length of one answer; `000 0` where none came."""
    argv = ["curl", "-s", "-o", "/dev/null", "-m", str(seconds), "-w", "%{http_code} %{size_download}"]
    return _output(ground, [*argv, "-H", f"Host: {host}", f"http://{SERVER}{path}"], seconds + 10)


def _output(ground: Ground, argv: Sequence[str], seconds: float) -> str:
    done = subprocess.run(
        ground.vm.command(argv), check=False, capture_output=True, text=True, timeout=seconds, cwd=ground.folder
    )
    return done.stdout
