"""The files that people copy are true."""

import configparser
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyperward.policy.models import Policy
from hyperward.policy.resolve import Variant
from hyperward.svm.check import check_paths
from hyperward.svm.config import EngineConfig, SvmConfigFile
from hyperward.svm.desired import desired_ports
from hyperward.yamlfile import Limits, parse, read_text

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
LIMITS = Limits(max_bytes=65536, max_nodes=1000, max_entry_nodes=1000)


def test_policies_and_inventory_have_neither_errors_nor_warnings() -> None:
    result = check_paths(EXAMPLES / "policy.yaml", EXAMPLES / "inventory.yaml")
    assert result.errors == result.warnings == ()
    ports = desired_ports(result.policies, result.inventory, now=datetime(2026, 6, 1, tzinfo=UTC))
    assert [(port.interface, port.ips.variant if port.ips else None) for port in ports] == [
        ("tap-web1", Variant.ENFORCE),
        ("tap-db1-a", Variant.ENFORCE),
        ("tap-db1-b", Variant.ENFORCE),
        ("vnet7", Variant.OBSERVE),
    ]
    assert ports[0].ips is not None
    assert ports[0].ips.excluded_rules == ("1:2001219", "ET SCAN *VNC*")


def test_values_called_defaults_are_the_defaults() -> None:
    (first, *_) = check_paths(EXAMPLES / "policy.yaml", EXAMPLES / "inventory.yaml").policies
    default = Policy(name="x")
    assert first.intrusion_prevention.network_attacks == default.intrusion_prevention.network_attacks
    assert first.intrusion_prevention.suspicious_activity == default.intrusion_prevention.suspicious_activity
    assert first.failure == default.failure


def test_svm_configuration_shows_the_defaults() -> None:
    path = EXAMPLES / "svm.yaml"
    file = parse(read_text(path, max_bytes=LIMITS.max_bytes), str(path), LIMITS).validate(SvmConfigFile)
    assert file == SvmConfigFile(policy_file="policy.yaml", inventory_file="inventory.yaml")
    assert file.engine == EngineConfig()
    assert (EXAMPLES / file.policy_file).is_file()
    assert (EXAMPLES / file.inventory_file).is_file()


@pytest.fixture
def unit() -> configparser.RawConfigParser:
    """Return the systemd unit as sections of settings; of a repeated setting, the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "packaging" / "hyperward-svm.service")
    return parser


def test_the_engine_survives_the_daemon(unit: configparser.RawConfigParser) -> None:
    service = unit["Service"]
    assert service["KillMode"] == "process"
    assert service["Restart"] == "always"
    assert service["RuntimeDirectoryPreserve"] == "yes"
    assert "svm run --config" in service["ExecStart"]


def test_hardening_leaves_what_the_daemon_needs(unit: configparser.RawConfigParser) -> None:
    service = unit["Service"]
    assert {"AF_PACKET", "AF_NETLINK", "AF_UNIX"} <= set(service["RestrictAddressFamilies"].split())
    for breaks in (
        "ProtectKernelTunables",
        "PrivateDevices",
        "PrivateNetwork",
        "PrivateUsers",
        "MemoryDenyWriteExecute",
    ):
        assert breaks not in service
