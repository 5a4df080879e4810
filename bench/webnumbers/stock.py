"""The other side: stock Suricata inline over NFQUEUE, with the same names in a dataset."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperward.lab.deadline import wait_until
from webnumbers.ground import Ground, run, write_there

CONFIG = Path("/etc/suricata/suricata.yaml")
_RULE = "iptables -w {action} FORWARD -j NFQUEUE --queue-num 0"
_RULES = """drop http any any -> any any (msg:"listed host"; flow:established,to_server; \
http.host; dataset:isset,hosts,type string,load {hosts},memcap 1gb,hashsize 262144; sid:1; rev:1;)
drop tls any any -> any any (msg:"listed name"; flow:established,to_server; \
tls.sni; dataset:isset,hosts; sid:2; rev:1;)
"""


class Stock:
    """A running engine: `on` and `off`. Create it with `stock`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def on(self) -> None:
        """Send everything that the bridge forwards through the engine."""
        write_there(self._ground.host, "/proc/sys/net/bridge/bridge-nf-call-iptables", "1")
        run(self._ground.host, _RULE.format(action="-I"))

    def off(self) -> None:
        """Let the bridge forward by itself again."""
        run(self._ground.host, _RULE.format(action="-D"), check=False)
        write_there(self._ground.host, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0")


@contextmanager
def stock(ground: Ground, hosts: Iterable[str]) -> Iterator[Stock]:
    """Run Suricata as its package configures it, on queue 0, with a dataset of hosts."""
    folder = ground.folder / "stock"
    folder.mkdir()
    listed = folder / "hosts.lst"
    with listed.open("wb") as file:
        file.writelines(base64.b64encode(host.encode()) + b"\n" for host in hosts)
    rules = folder / "stock.rules"
    rules.write_text(_RULES.format(hosts=listed))
    argv = ["suricata", "-c", str(CONFIG), "-S", str(rules), "-l", str(folder), "-q", "0", "--init-errors-fatal"]
    argv += ["--set", "unix-command.enabled=no", "--pidfile", str(folder / "pid")]
    process = ground.start(ground.host, argv, "stock/output.log")
    made = Stock(ground)
    try:
        output = folder / "output.log"
        ready = wait_until(lambda: "Engine started" in output.read_text() or process.poll() is not None, 120)
        if not ready or process.poll() is not None:
            raise SystemExit(f"Suricata did not start: {output.read_text()[-500:]}")
        yield made
    finally:
        made.off()
        ground.end(process)
