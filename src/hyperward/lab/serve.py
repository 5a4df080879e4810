"""The process that serves for one machine of the lab: HTTP, SSH and DNS; outside also TLS and HTTP/3.

It says `ready` on the file descriptor it was given once every port listens, and runs until it is stopped.
"""

import json
import os
import sys
import threading
from pathlib import Path
from socketserver import BaseServer

from hyperward.lab.certificate import CertificateFiles
from hyperward.lab.http_service import HttpService
from hyperward.lab.plan import OTHER_HTTP_PORT
from hyperward.lab.records import RecordWriter
from hyperward.lab.small_services import DnsTcpService, DnsUdpService, SshService
from hyperward.lab.tls_service import TlsService


def main(arguments: list[str]) -> None:
    """Serve. Arguments: records file, ready descriptor, DNS names as JSON, folder of the certificate or nothing."""
    records, ready, names_json, certificate = arguments
    names = {str(name): (str(four), str(six)) for name, (four, six) in json.loads(names_json).items()}
    writer = RecordWriter(Path(records))
    servers: list[BaseServer] = [HttpService(writer), SshService(writer)]
    servers += [DnsUdpService(writer, names), DnsTcpService(writer, names)]
    if certificate:
        servers += _outside(writer, CertificateFiles(Path(certificate)))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(int(ready), b"ready")
    os.close(int(ready))
    threading.Event().wait()


def _outside(writer: RecordWriter, files: CertificateFiles) -> list[BaseServer]:
    """Return what only the outside host serves, and start HTTP/3, whose library takes long to load."""
    from hyperward.lab.h3_service import H3Service

    H3Service(writer, files).start()
    return [HttpService(writer, OTHER_HTTP_PORT), TlsService(writer, files)]


if __name__ == "__main__":
    main(sys.argv[1:])
