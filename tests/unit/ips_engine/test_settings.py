from pathlib import Path

import pytest

from hyperward.errors import InputError
from hyperward.ips.engine.settings import EngineSettings, parse_settings
from hyperward.ips.engine.tenants import Desired, Tenant


def test_defaults_are_valid() -> None:
    settings = parse_settings({}, where="svm.yaml")
    assert settings == EngineSettings()
    assert settings.socket_path == Path("/run/hyperward/engine/engine.sock")


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"threadz": 1}, "threadz"),
        ({"threads": 0}, "threads"),
        ({"threads": "many"}, "threads"),
        ({"binary": "suricata"}, "binary"),
        ({"run_dir": "/run/a\nb"}, "run_dir"),
        ({"guest_interface": "hwg1; rm"}, "guest_interface"),
        ({"guest_interface": "a" * 16}, "guest_interface"),
        ({"guest_interface": "hwn1"}, "must differ"),
        ({"run_dir": "/" + "x" * 100}, "too long"),
        ({"mtu": 100_000}, "mtu"),
    ],
)
def test_a_bad_value_is_refused_and_named(data: dict[str, object], key: str) -> None:
    with pytest.raises(InputError, match=key) as caught:
        parse_settings(data, where="svm.yaml")
    assert caught.value.line().startswith("svm.yaml: ")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        EngineSettings().threads = 2  # type: ignore[misc]


def test_tenants_are_checked() -> None:
    tenant = Tenant(1, Path("/a.rules"), "1", home_net=("192.0.2.0/24", "2001:db8::/32", "192.0.2.0/24"))
    assert tenant.home_net == ("192.0.2.0/24", "2001:db8::/32")
    with pytest.raises(InputError, match="65535"):
        Tenant(0, Path("/a.rules"), "1")
    with pytest.raises(InputError, match="not a network"):
        Tenant(1, Path("/a.rules"), "1", home_net=("10.0.0.1/8",))
    with pytest.raises(InputError, match="absolute"):
        Tenant(1, Path("a.rules"), "1")
    with pytest.raises(InputError, match="filed under"):
        Desired({2: tenant})


@pytest.mark.parametrize("vid", [0, 4094, 4095, -1])
def test_reserved_vlan_ids_are_refused(vid: int) -> None:
    with pytest.raises(InputError, match="VLAN id"):
        Desired(mappings={vid: 1})
