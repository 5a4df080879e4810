from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperward.errors import InputError
from hyperward.ips.engine.render import References, render, render_config, render_tenant
from hyperward.ips.engine.settings import EngineSettings
from hyperward.ips.engine.tenants import Desired, Tenant

REFERENCES = References(Path("/data/classification.config"), Path("/data/reference.config"))


def parsed(settings: EngineSettings | None = None, mappings: dict[int, int] | None = None) -> Any:
    text = render_config(settings or EngineSettings(), mappings or {}, REFERENCES)
    assert text.startswith("%YAML 1.1\n---\n")
    assert "&id" not in text
    return yaml.safe_load(text)


def test_nothing_is_dropped_but_by_rules() -> None:
    config = parsed()
    assert config["exception-policy"] == "ignore"
    assert config["flow"]["memcap-policy"] == "ignore"
    assert config["defrag"]["memcap-policy"] == "ignore"
    assert config["app-layer"]["error-policy"] == "ignore"
    stream = config["stream"]
    assert (stream["memcap-policy"], stream["reassembly"]["memcap-policy"]) == ("ignore", "ignore")
    assert (stream["midstream"], stream["midstream-policy"]) == (False, "ignore")
    assert stream["drop-invalid"] is False
    assert stream["inline"] is True


def test_tunnels_are_not_decoded() -> None:
    decoder = parsed()["decoder"]
    assert decoder["max-layers"] == 5
    assert not any(decoder[name]["enabled"] for name in ("teredo", "vxlan", "geneve"))


def test_tenants_are_never_in_the_configuration() -> None:
    config = parsed(mappings={10: 1})
    assert "tenants" not in config["multi-detect"]
    assert config["rule-files"] == []


def test_the_first_mapping_is_the_last_in_the_file_and_so_the_first_found() -> None:
    found = parsed(mappings={7: 1, 5: 2, 6: 1})["multi-detect"]["mappings"]
    assert [entry["vlan-id"] for entry in found] == [6, 5, 7]


def test_the_inline_pair() -> None:
    settings = EngineSettings(guest_interface="a1", network_interface="b1", threads=2)
    guest, network = parsed(settings)["af-packet"]
    assert (guest["interface"], guest["copy-iface"], guest["copy-mode"]) == ("a1", "b1", "ips")
    assert (network["interface"], network["copy-iface"], network["copy-mode"]) == ("b1", "a1", "ips")
    assert guest["cluster-id"] != network["cluster-id"]
    assert {section["threads"] for section in (guest, network)} == {2}


def test_no_file_of_the_distribution_is_used() -> None:
    assert "/etc/" not in render_config(EngineSettings(), {}, REFERENCES)
    assert "/etc/" not in render_tenant(EngineSettings(), Tenant(1, Path("/a.rules"), "1"), REFERENCES)


def test_a_tenant() -> None:
    tenant = Tenant(3, Path("/rules/three.rules"), "1", home_net=("192.0.2.0/24", "2001:db8::/32"))
    config = yaml.safe_load(render_tenant(EngineSettings(), tenant, REFERENCES))
    groups = config["vars"]["address-groups"]
    assert groups["HOME_NET"] == "[192.0.2.0/24,2001:db8::/32]"
    assert groups["EXTERNAL_NET"] == "any"
    assert groups["HTTP_SERVERS"] == "$HOME_NET"
    assert config["rule-files"] == ["/rules/three.rules"]
    assert config["classification-file"] == "/data/classification.config"


def test_paths_cannot_break_out_of_the_yaml() -> None:
    settings = EngineSettings(log_dir=Path("/var/x: [y]#'\"&*"))
    assert parsed(settings)["default-log-dir"] == "/var/x: [y]#'\"&*"


def test_rendering_is_deterministic_and_complete() -> None:
    settings = EngineSettings()
    desired = Desired({1: Tenant(1, Path("/a.rules"), "1")}, {5: 1})
    files = render(settings, desired, REFERENCES)
    assert files == render(settings, desired, REFERENCES)
    assert files.keys() == {settings.config_path, settings.threshold_path, settings.tenant_path(1)}


def test_a_bad_mapping_is_refused() -> None:
    with pytest.raises(InputError, match="4094"):
        render_config(EngineSettings(), {4094: 1}, REFERENCES)
