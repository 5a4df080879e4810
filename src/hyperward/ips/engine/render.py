"""Settings, tenants and mappings to the text of the engine's configuration files. Pure and deterministic.

`suricata.yaml` holds no tenants on purpose: in Suricata 7 all tenants loaded at the start share one version number with
the default engine, and a live flow that moves between two of them (its VLAN id unregistered or mapped anew) keeps
pointers into the old rules, which crashes the engine. Tenants registered over the socket each get their own number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hyperward.ips.engine.applayer import app_layer
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Desired, Tenant, check_mappings

PASS: Final = "ignore"  # noqa: S105 - not a password
"""The exception policy that forwards: the packet goes on, only its inspection is given up."""
_SERVERS: Final = (
    "AIM_SERVERS",
    "DC_SERVERS",
    "DNP3_CLIENT",
    "DNP3_SERVER",
    "DNS_SERVERS",
    "ENIP_CLIENT",
    "ENIP_SERVER",
    "HTTP_SERVERS",
    "MODBUS_CLIENT",
    "MODBUS_SERVER",
    "SMTP_SERVERS",
    "SQL_SERVERS",
    "TELNET_SERVERS",
)
_PORTS: Final = {
    "DNP3_PORTS": "20000",
    "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]",
    "FTP_PORTS": "21",
    "GENEVE_PORTS": "6081",
    "HTTP_PORTS": "80",
    "MODBUS_PORTS": "502",
    "ORACLE_PORTS": "1521",
    "SHELLCODE_PORTS": "!80",
    "SIP_PORTS": "[5060,5061]",
    "SSH_PORTS": "22",
    "TEREDO_PORTS": "3544",
    "VXLAN_PORTS": "4789",
}
"""The names that published rules use, with the values of Suricata's own example configuration."""
ETHERNET_AND_TAG: Final = 18
MAX_LAYERS: Final = 5
"""Layers decoded, plus one: Ethernet, our tag, one tag of the guest's own, IP. No tunnel fits."""


@dataclass(frozen=True, slots=True)
class References:
    """The two tables that rules refer to by name.

    Args:
        classification: `classification.config`.
        reference: `reference.config`.
    """

    classification: Path
    reference: Path


def render(settings: EngineSettings, desired: Desired, references: References) -> dict[Path, str]:
    """Return every file the engine needs, by its path."""
    files = {
        settings.config_path: render_config(settings, desired.mappings, references),
        settings.threshold_path: "",
    }
    for tenant in desired.tenants.values():
        files[settings.tenant_path(tenant.id)] = render_tenant(settings, tenant, references)
    return files


def render_config(settings: EngineSettings, mappings: Mapping[int, int], references: References) -> str:
    """Return the text of suricata.yaml.

    Args:
        settings: of this node.
        mappings: VLAN id to tenant id, those with the most traffic first.
        references: the tables of classes and references.

    Raises:
        InputError: a mapping the engine cannot use.
    """
    check_mappings(mappings)
    return _dump(
        {
            **_paths(settings, references),
            **_traffic(settings),
            "app-layer": app_layer(PASS),
            "multi-detect": {
                "enabled": True,
                "selector": "vlan",
                "loaders": 1,
                # The engine searches from the last mapping to the first, for every packet.
                "mappings": [{"vlan-id": vid, "tenant-id": to} for vid, to in reversed(list(mappings.items()))],
            },
            "af-packet": _af_packet(settings),
            "outputs": [{"eve-log": _eve(settings)}],
            "stats": {"enabled": True, "interval": settings.stats_seconds},
            "logging": {
                "default-log-level": "info",
                "outputs": [
                    {"console": {"enabled": False}},
                    {"file": {"enabled": True, "level": "info", "filename": str(settings.log_path), "type": "json"}},
                ],
            },
            "unix-command": {"enabled": True, "filename": str(settings.socket_path)},
        }
    )


def render_tenant(settings: EngineSettings, tenant: Tenant, references: References) -> str:
    """Return the text of a tenant's yaml."""
    home = _address_list(tenant.home_net)
    groups = {"HOME_NET": home, "EXTERNAL_NET": _address_list(tenant.external_net)}
    groups |= dict.fromkeys(_SERVERS, "$HOME_NET")
    return _dump(
        {
            "vars": {"address-groups": groups, "port-groups": dict(_PORTS)},
            "default-rule-path": str(tenant.rules_path.parent),
            "rule-files": [str(tenant.rules_path)],
            "classification-file": str(references.classification),
            "reference-config-file": str(references.reference),
            "threshold-file": str(settings.threshold_path),
        }
    )


def _paths(settings: EngineSettings, references: References) -> dict[str, Any]:
    return {
        "default-log-dir": str(settings.log_dir),
        "classification-file": str(references.classification),
        "reference-config-file": str(references.reference),
        "threshold-file": str(settings.threshold_path),
        # The default engine has no rules: a frame without a tenant is forwarded as it is.
        "default-rule-path": str(settings.run_dir),
        "rule-files": [],
        "vars": {"address-groups": {"HOME_NET": "any", "EXTERNAL_NET": "any"}, "port-groups": {}},
        "coredump": {"max-dump": 0},
        "security": {"limit-noproc": True, "lua": {"allow-rules": False}},
    }


def _traffic(settings: EngineSettings) -> dict[str, Any]:
    """Return everything that decides about packets. No overload and no oddity drops one: only a rule does."""
    return {
        "runmode": "workers",
        "host-mode": "router",
        "max-pending-packets": settings.max_pending_packets,
        "default-packet-size": settings.mtu + ETHERNET_AND_TAG,
        "exception-policy": PASS,
        "vlan": {"use-for-tracking": True},
        "livedev": {"use-for-tracking": False},
        "decoder": _decoder(),
        "flow": {
            "memcap": settings.flow_memory,
            "memcap-policy": PASS,
            "hash-size": 65_536,
            "prealloc": 10_000,
            "emergency-recovery": 30,
        },
        "defrag": {
            "memcap": settings.defrag_memory,
            "memcap-policy": PASS,
            "hash-size": 65_536,
            "trackers": 65_535,
            "max-frags": 65_535,
            "prealloc": True,
            "timeout": 60,
        },
        "stream": {
            "memcap": settings.stream_memory,
            "memcap-policy": PASS,
            "midstream": False,
            # Connections older than the engine go on uninspected.
            "midstream-policy": PASS,
            "async-oneside": False,
            # A segment with a wrong checksum is ignored by the VM, so the engine must not believe it either.
            "checksum-validation": True,
            "inline": True,
            "drop-invalid": False,
            "bypass": False,
            "reassembly": {
                "memcap": settings.reassembly_memory,
                "memcap-policy": PASS,
                "depth": settings.stream_depth,
                "toserver-chunk-size": 2560,
                "toclient-chunk-size": 2560,
                "randomize-chunk-size": False,
            },
        },
        "detect": {"profile": "medium", "inspection-recursion-limit": 3000, "prefilter": {"default": "mpm"}},
        "mpm-algo": "auto",
        # Hyperscan would compile each single pattern at loading, which is half of the time that a rule set takes.
        "spm-algo": "bm",
        "pcre": {"match-limit": 3500, "match-limit-recursion": 1500},
        "host-os-policy": {"linux": ["0.0.0.0/0", "::/0"]},
        "asn1-max-frames": 256,
        "threading": {"set-cpu-affinity": False, "detect-thread-ratio": 1.0},
        "legacy": {"uricontent": "enabled"},
    }


def _decoder() -> dict[str, Any]:
    """Return what keeps the engine from looking into tunnels.

    The engine does not hand our VLAN id on to the packet inside. At best that packet has no tenant and no inspection,
    and switches off that of the datagram around it. At worst the sender writes a VLAN id of his choice into it, and is
    inspected and reported under the name of another VM.
    """
    return {"max-layers": MAX_LAYERS, **{name: {"enabled": False} for name in ("teredo", "vxlan", "geneve")}}


def _af_packet(settings: EngineSettings) -> list[dict[str, Any]]:
    guest, network = settings.guest_interface, settings.network_interface
    return [_inline(settings, guest, network, 97), _inline(settings, network, guest, 98)]


def _inline(settings: EngineSettings, interface: str, other: str, cluster: int) -> dict[str, Any]:
    return {
        "interface": interface,
        "threads": settings.threads,
        "cluster-id": cluster,
        "cluster-type": "cluster_flow",
        # The kernel would hand over reassembled datagrams that no longer fit the pair's MTU.
        "defrag": False,
        "use-mmap": True,
        "tpacket-v3": False,
        "ring-size": settings.ring_frames,
        # Checked, except where the kernel says that the sender left it to the hardware.
        "checksum-checks": "kernel",
        "copy-mode": "ips",
        "copy-iface": other,
    }


def _eve(settings: EngineSettings) -> dict[str, Any]:
    alert = {
        "metadata": {
            "app-layer": True,
            "flow": True,
            "rule": {"metadata": True, "raw": False, "reference": False},
        },
        "packet": True,
        "payload": False,
        "payload-printable": False,
        "http-body": False,
        "tagged-packets": False,
        "verdict": True,
    }
    return {
        "enabled": True,
        "filetype": "regular",
        "filename": str(settings.eve_path),
        "append": True,
        "ethernet": True,
        "community-id": True,
        "types": [{"alert": alert}, {"drop": {"alerts": False, "flows": "all", "verdict": True}}],
    }


def _address_list(networks: tuple[str, ...]) -> str:
    return f"[{','.join(networks)}]" if networks else "any"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the engine's YAML reader knows no aliases
        return True


def _dump(document: dict[str, Any]) -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=False)
    return f"%YAML 1.1\n---\n{text}"
