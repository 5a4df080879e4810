"""The process that serves for one machine of the lab: HTTP, SSH and DNS. Started by `hyperward.lab.services`.

It says `ready` on the file descriptor it was given once every port listens, and runs until it is stopped.
"""

import json
import os
import sys
import threading
from pathlib import Path

from hyperward.lab.http_service import HttpService
from hyperward.lab.records import RecordWriter
from hyperward.lab.small_services import DnsTcpService, DnsUdpService, SshService


def main(arguments: list[str]) -> None:
    """Serve. Arguments: records file, ready file descriptor, the DNS names as JSON."""
    records, ready, names_json = arguments
    names = {str(name): (str(four), str(six)) for name, (four, six) in json.loads(names_json).items()}
    writer = RecordWriter(Path(records))
    servers = (HttpService(writer), SshService(writer), DnsUdpService(writer, names), DnsTcpService(writer, names))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(int(ready), b"ready")
    os.close(int(ready))
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
