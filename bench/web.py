"""What the web scan costs: `python bench/web.py`, as root, after `scripts/setup bench`.

Builds a VM, a host and a server in namespaces, and measures in turns, on the same machine and in the same run: without
protection; with Web Addresses Scan (the steering program, scanner processes, a database of a million entries); and with
stock inline Suricata over NFQUEUE with the same hosts in a dataset. Prints ratios with their limits; returns 1 when one
is missed, or when a number does not mean what it says.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from shutil import which

from hyperward.svm.scanners.paths import default_count
from webnumbers.bench import Bench, Options
from webnumbers.figures import Result, Row, as_json, as_markdown, as_text
from webnumbers.ground import ground
from webnumbers.guard import guard
from webnumbers.loads import BULK_BYTES, DISTINCT, THREADS, web_server
from webnumbers.machine import machine, preferred
from webnumbers.names import build_of, listed_hosts, write_clean, write_listed
from webnumbers.rounds import FOREIGN_LIMIT
from webnumbers.stock import stock

ENTRIES, RESIDENT_ENTRIES = 1_000_000, 5_000_000
LISTED_LINES = 200_000
HOW = """\
A VM, the host with its bridge, and a server are namespaces on one machine. wrk ({threads} threads, \
{connections} connections) asks nginx-light from the VM, as fast as it can: load, server and scanners share the \
cores. curl fetches a file of {bulk} GiB on one connection. Interfaces keep their offloads.

Protected means: the steering program on the VM's port, one scanner process for each CPU, HTTP, TLS, QUIC and \
DNS by form handed over, blocking of what the database lists; no IPS. Unprotected: no program on the port; the \
scanners idle.

Each of wrk's threads sends {distinct:,} different requests in turn, for 4,096 hosts that no list has, each with \
the fields of a browser (some 550 bytes). Connections are kept, unless it says "a connection each". A scanner \
remembers 16,384 verdicts on addresses, fewer than there are, and 16,384 hosts that have no entry at all: nearly \
all hosts of this load become known as such, those that the filter of the database cannot tell are looked up \
each time.

Half load: connections that wait 5 ms before each request, as many as make half of the most that the protected \
side carries; the times are wrk's, from request to answer.

Stock Suricata runs as its package configures it, on one NFQUEUE fed by bridge netfilter, with the same hosts in \
a dataset for `http.host` and `tls.sni`, rule action drop.

Guards take turns within each measurement, and every other turn goes the other way round. A value is the median \
of its rounds, ± half of their spread. A round in which others take more than {foreign:.0%} of a core is \
measured again, and the least disturbed one counts."""
PROGRAMS = ("wrk", "nginx", "iptables", "suricata", "curl", "ip")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short: to see that it runs, not to believe its numbers")
    parser.add_argument("--patience", type=int, default=3, help="how often a round is tried that others disturb")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement under each guard")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--connections", type=int, default=64, help="of the load")
    parser.add_argument("--without-stock", action="store_true", help="leave Suricata out")
    parser.add_argument("--json", action="store_true", help="print the result for programs")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the result as a page, too")
    parser.add_argument("--no-limits", action="store_true", help="return 0 also when a limit is missed")
    return parser.parse_args()


def measure(given: argparse.Namespace) -> Result:
    """Run everything."""
    rounds, patience, seconds = (2, 1, 1.0) if given.quick else (given.rounds, given.patience, given.seconds)
    options = Options(rounds, patience, seconds, given.connections)
    few, many = (20_000, 50_000) if given.quick else (ENTRIES, RESIDENT_ENTRIES)
    about, rows = machine(), list[Row]()
    about["load average before"] = f"{os.getloadavg()[0]:.2f}"
    about["databases"] = f"{few:,} entries; {many:,} for memory"
    about["load"] = f"{options.connections} connections, {options.rounds} rounds of {options.seconds:.0f} s"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hw-web-")))
        tell("building databases")
        database, large = build_of(folder / "bench.hwa", few), build_of(folder / "large.hwa", many)
        made = stack.enter_context(ground(folder))
        stack.enter_context(web_server(made))
        protection = stack.enter_context(guard(made, default_count()))
        protection.start([database])
        for pid in (os.getpid(), *protection.pids):
            stack.enter_context(preferred(pid))
        bench = Bench(options, made, protection, write_clean(folder / "hosts.txt"), tell)
        rows += bench.throughput() + bench.latency()
        if not given.without_stock:
            tell("starting Suricata")
            with stock(made, listed_hosts(few)) as engine:
                rows += bench.against(engine)
        rows += bench.resident(large, write_listed(folder / "listed.txt", many, LISTED_LINES))
        return Result(about, tuple(rows), tuple(bench.series), tuple(bench.faults))


def tell(what: str) -> None:
    """Say how far it is."""
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    given = arguments()
    missing = [program for program in PROGRAMS if which(program) is None]
    if os.geteuid() != 0 or missing:
        raise SystemExit(f"missing: {', '.join(missing)}; run scripts/setup bench" if missing else "this needs root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # what was built is taken down
    result = measure(given)
    print(json.dumps(as_json(result), indent=1) if given.json else as_text(result))
    if given.write:
        how = HOW.format(
            threads=THREADS,
            connections=given.connections,
            bulk=BULK_BYTES >> 30,
            distinct=DISTINCT,
            foreign=FOREIGN_LIMIT,
        )
        given.write.write_text(as_markdown(result, how))
    return 0 if result.holds or given.no_limits else 1


if __name__ == "__main__":
    sys.exit(main())
