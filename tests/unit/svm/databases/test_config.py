from datetime import time, timedelta
from pathlib import Path

import pytest

from hyperward.databases.schedule import Window
from hyperward.svm.config import SvmConfig, load_config
from hyperward.webscan.lists.model import ListFormat, NamesAs
from hyperward.yamlfile import FileErrors

LEAST = """policy_file: policy.yaml
inventory_file: inventory.yaml
state_dir: state
run_dir: run
engine: {binary: /bin/true}
"""


def load(folder: Path, more: str) -> SvmConfig:
    (folder / "policy.yaml").write_text("policies: []")
    (folder / "inventory.yaml").write_text("vms: []")
    (folder / "svm.yaml").write_text(LEAST + more)
    return load_config(folder / "svm.yaml")


def test_without_the_block_nothing_is_fetched(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert (config.databases.source, config.own_rules, config.own_addresses) == ("", (), ())
    assert config.databases.max_age == timedelta(days=7)


def test_all_settings(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """databases:
  source: https://db.example/hyperward
  proxy: http://proxy.example:3128
  ca_file: ca.pem
  schedule: {every: 30m, jitter: 5m, window: ["22:00", "05:00"]}
  as_soon_as_available: true
  max_age: 3d
own_rules: [my.rules]
own_addresses:
- {file: my.txt, category: gambling, format: hosts, names: domain, folders: true}
- {file: my.csv, category: malicious, id: mine, columns: {address: url, id: "1"}}
""",
    )
    databases = config.databases
    assert databases.source == "https://db.example/hyperward"
    assert (databases.proxy, databases.ca_file) == ("http://proxy.example:3128", tmp_path / "ca.pem")
    assert (databases.schedule.every, databases.schedule.jitter) == (timedelta(minutes=30), timedelta(minutes=5))
    assert (databases.schedule.window, databases.schedule.as_soon_as_available) == (Window(time(22), time(5)), True)
    assert databases.max_age == timedelta(days=3)
    assert config.own_rules == (tmp_path / "my.rules",)
    first, second = config.own_addresses
    assert (first.path, first.options.list_id) == (tmp_path / "my.txt", "my")
    assert (first.options.format, first.options.names, first.options.folders) == (
        ListFormat.HOSTS,
        NamesAs.DOMAIN,
        True,
    )
    assert second.options.list_id == "mine"
    assert second.options.columns is not None
    assert (second.options.columns.address, second.options.columns.id) == ("url", "1")


def test_a_folder_starts_at_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "databases: {source: mirror}\n").databases.source == str(tmp_path / "mirror")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("databases: {}", "databases.source"),
        ("databases: {source: x, schedule: {every: soon}}", "'soon' is no duration"),
        ('databases: {source: x, schedule: {window: ["22:00"]}}', "databases.schedule.window"),
        ('databases: {source: x, schedule: {window: ["22:00", "26:00"]}}', "no time of day"),
        ("own_addresses: [{file: a.txt, category: Not Good}]", "is no category"),
        ("own_addresses: [{file: a.txt, category: x, columns: {zzz: a}}]", "no such column: zzz"),
        ("own_addresses: [{file: a.txt, category: x}, {file: b/a.txt, category: x}]", "is taken by list 1"),
    ],
)
def test_refused(tmp_path: Path, more: str, what: str) -> None:
    with pytest.raises(FileErrors, match=what):
        load(tmp_path, more)
