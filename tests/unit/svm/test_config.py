import os
import stat
from pathlib import Path

import pytest

from hyperward.svm.config import EngineConfig, load_config
from hyperward.svm.names import check_svm_name, svm_name_of
from hyperward.svm.scanners.paths import default_count
from hyperward.yamlfile import FileErrors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with all that a configuration needs."""
    (tmp_path / "policy.yaml").write_text("policies: []")
    (tmp_path / "inventory.yaml").write_text("vms: []")
    (tmp_path / "rules").mkdir()
    (tmp_path / "my.rules").touch()
    engine = tmp_path / "engine"
    engine.touch()
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    return tmp_path


LEAST = """policy_file: policy.yaml
inventory_file: inventory.yaml
state_dir: state
run_dir: run
engine: {binary: ./engine}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "svm.yaml"
    file.write_text(text)
    return file


def refusals(folder: Path, text: str) -> list[str]:
    file = write(folder, text)
    with pytest.raises(FileErrors) as caught:
        load_config(file)
    return [str(item).removeprefix(f"{file}:").replace(str(folder), "DIR") for item in caught.value.items]


def test_defaults(folder: Path) -> None:
    config = load_config(write(folder, LEAST))
    assert config.name == svm_name_of(os.uname().nodename)
    assert (config.state_dir, config.run_dir) == (folder / "state", folder / "run")
    assert (config.policy_file, config.inventory_file) == (folder / "policy.yaml", folder / "inventory.yaml")
    assert config.rules == ()
    assert config.addresses == ()
    assert config.scanners == default_count()
    assert config.engine == EngineConfig(binary="./engine")
    assert (config.engine.threads, config.engine.mtu) == (None, 1600)
    assert config.engine_binary == folder / "engine"
    assert (config.heartbeat_ms, config.log_level) == (300, "info")


def test_default_folders(folder: Path) -> None:
    text = LEAST.replace("state_dir: state\nrun_dir: run\n", "")
    if os.geteuid() != 0:
        assert all("run as root" in line for line in refusals(folder, text))
        return
    config = load_config(write(folder, text))
    assert (config.state_dir, config.run_dir) == (Path("/var/lib/hyperward"), Path("/run/hyperward"))


def test_all_settings(folder: Path) -> None:
    (folder / "a.hwa").touch()
    text = LEAST + "name: svm-1\nrules: [rules, my.rules]\nheartbeat_ms: 500\nlog_level: debug\n"
    text += "addresses: [a.hwa]\nscanners: 3\n"
    config = load_config(write(folder, text))
    assert config.name == "svm-1"
    assert config.rules == (folder / "rules", folder / "my.rules")
    assert (config.addresses, config.scanners) == ((folder / "a.hwa",), 3)
    assert (config.heartbeat_ms, config.log_level) == (500, "debug")


def test_paths_start_at_the_file_not_at_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, LEAST)
    monkeypatch.chdir(folder)
    assert load_config(Path("svm.yaml")).policy_file == folder / "policy.yaml"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "zzz: x",
            (
                "6:1: zzz: unknown key; known keys here: name, state_dir, run_dir, policy_file, "
                "inventory_file, rules, databases, own_rules, own_addresses, engine, addresses, scanners, "
                "never_block, heartbeat_ms, log_level"
            ),
        ),
        ("rule: []", "6:1: rule: unknown key; did you mean 'rules'?"),
        (
            "name: 'a b'",
            (
                "6:7: name: not a name: 1 to 63 letters, digits, '.', '_', '-', "
                "first a letter or digit; shorten or change it"
            ),
        ),
        (
            "rules: my.rules",
            "6:8: rules: expected a list, got the text \"my.rules\"; write [a, b], or one '- ' line for each",
        ),
        ("rules: [my.rules, no.rules]", "6:19: rules[1]: no such file: DIR/no.rules; create it or correct the path"),
        ("rules: [/dev/null]", "6:9: rules[0]: not a regular file: /dev/null; correct the path"),
        ("heartbeat_ms: 49", "6:15: heartbeat_ms: must be 50 or more, got 49"),
        ("heartbeat_ms: 901", "6:15: heartbeat_ms: must be 900 or less, got 901"),
        ("log_level: loud", '6:12: log_level: expected debug, info, warning or error, got the text "loud"'),
    ],
)
def test_refused(folder: Path, more: str, expected: str) -> None:
    assert refusals(folder, LEAST + more) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "policy_file: policy.yaml",
            "policy_file: no.yaml",
            "1:14: policy_file: no such file: DIR/no.yaml; create it or correct the path",
        ),
        (
            "inventory_file: inventory.yaml",
            "inventory_file: rules",
            "2:17: inventory_file: not a regular file: DIR/rules; correct the path",
        ),
        (
            "state_dir: state",
            "state_dir: policy.yaml/x",
            "3:12: state_dir: DIR/policy.yaml is not a folder; correct the path",
        ),
        ("run_dir: run", "run_dir: state", "4:10: run_dir: is the same folder as state_dir; give each its own"),
        (
            "run_dir: run",
            "run_dir: /tmp/" + "r" * 80,
            "4:10: run_dir: has more than 80 bytes, too long for sockets in it; shorten it",
        ),
        ("run_dir: run", "run_dir: 5", "4:10: run_dir: expected text, got the number 5; put it in quotes"),
        (
            "{binary: ./engine}",
            "{binary: my.rules/x}",
            (
                "5:18: engine.binary: the program my.rules/x is not there or not executable; "
                "install Suricata, or give its absolute path"
            ),
        ),
        (
            "{binary: ./engine}",
            "{binary: no-such-engine}",
            (
                "5:18: engine.binary: the program no-such-engine is not there or not executable; "
                "install Suricata, or give its absolute path"
            ),
        ),
        ("{binary: ./engine}", "{binary: ./engine, mtu: 100}", "5:33: engine.mtu: must be 1280 or more, got 100"),
        ("{binary: ./engine}", "{binary: ./engine, threads: 0}", "5:37: engine.threads: must be 1 or more, got 0"),
    ],
)
def test_bad_settings(folder: Path, old: str, new: str, expected: str) -> None:
    assert old in LEAST
    assert refusals(folder, LEAST.replace(old, new)) == [expected]


def test_a_long_path_is_refused(folder: Path) -> None:
    (line,) = refusals(folder, LEAST.replace("policy.yaml", "p" * 3000))
    assert line.startswith("1:14: policy_file: cannot be looked at: ")


def test_svm_names() -> None:
    assert check_svm_name("node-1.example") == "node-1.example"
    assert svm_name_of("node-1.example") == "node-1.example"
    assert svm_name_of("-ö node_1") == "node_1"
    assert svm_name_of("") == "svm"
    assert check_svm_name(svm_name_of("x" * 100)) == "x" * 63
