"""The application-layer part of the configuration: every parser on, so that every published rule loads."""

from typing import Any, Final

_PLAIN: Final = (
    "bittorrent-dht",
    "dcerpc",
    "dhcp",
    "ftp",
    "http2",
    "ike",
    "krb5",
    "mqtt",
    "nfs",
    "ntp",
    "pgsql",
    "quic",
    "rdp",
    "sip",
    "snmp",
    "telnet",
    "tftp",
)
_PORTS: Final = {
    "dnp3": {"dp": "20000"},
    "enip": {"dp": "44818", "sp": "44818"},
    "modbus": {"dp": "502"},
    "rfb": {"dp": "5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909"},
    "smb": {"dp": "139, 445"},
}


def app_layer(error_policy: str) -> dict[str, Any]:
    """Return the `app-layer` section.

    Args:
        error_policy: what happens to a flow whose parser fails.
    """
    dns = {"enabled": True, "detection-ports": {"dp": "53"}}
    protocols: dict[str, Any] = {name: {"enabled": True} for name in _PLAIN}
    protocols |= {name: {"enabled": True, "detection-ports": dict(ports)} for name, ports in _PORTS.items()}
    protocols |= {
        "dns": {"tcp": dns, "udp": {"enabled": True, "detection-ports": {"dp": "53"}}},
        "http": {"enabled": True, "libhtp": {"default-config": _libhtp()}},
        # The engine knows IMAP only well enough to recognise it.
        "imap": {"enabled": "detection-only"},
        "smtp": {"enabled": True, "raw-extraction": False, "mime": _mime(), "inspected-tracker": _inspected()},
        "ssh": {"enabled": True, "hassh": True},
        "tls": {
            "enabled": True,
            "detection-ports": {"dp": "443"},
            "ja3-fingerprints": True,
            "ja4-fingerprints": True,
            "encryption-handling": "default",
        },
    }
    protocols["quic"] |= {"ja3-fingerprints": True, "ja4-fingerprints": True}
    return {"error-policy": error_policy, "protocols": dict(sorted(protocols.items()))}


def _libhtp() -> dict[str, Any]:
    return {
        "personality": "IDS",
        "request-body-limit": "100kb",
        "response-body-limit": "100kb",
        "request-body-minimal-inspect-size": "32kb",
        "request-body-inspect-window": "4kb",
        "response-body-minimal-inspect-size": "40kb",
        "response-body-inspect-window": "16kb",
        "response-body-decompress-layer-limit": 2,
        "http-body-inline": "auto",
        # Inspection windows of random size would make detection differ from run to run.
        "randomize-inspection-sizes": False,
        "double-decode-path": False,
        "double-decode-query": False,
    }


def _mime() -> dict[str, Any]:
    return {
        "decode-mime": True,
        "decode-base64": True,
        "decode-quoted-printable": True,
        "header-value-depth": 2000,
        "extract-urls": True,
        "body-md5": False,
    }


def _inspected() -> dict[str, Any]:
    return {"content-limit": 100_000, "content-inspect-min-size": 32_768, "content-inspect-window": 4096}
