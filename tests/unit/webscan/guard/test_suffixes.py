"""Public suffixes: the published vectors, of which each one says which of two names is a suffix."""

import re

import pytest

from hyperward.webscan.address import canonical_host
from hyperward.webscan.guard.suffixes import Suffixes, packaged_suffixes
from shared_data import shared_data

_VECTOR = re.compile(r"checkPublicSuffix\((?:'([^']*)'|null), (?:'([^']*)'|null)\);")


def test_rules() -> None:
    suffixes = Suffixes(
        "// x\n\ncom\nco.uk  trailing words\n*.ck\n!www.ck\n公司.cn\n"
        "// ===BEGIN PRIVATE DOMAINS===\nblog.example\n*.cloud.example\n".splitlines()
    )
    for host in ("com", "co.uk", "ck", "any.ck", "xn--55qx5d.cn", "unknown", "blog.example", "cloud.example"):
        assert host in suffixes, host
    for host in ("a.com", "www.ck", "a.any.ck", "a.co.uk", "a.unknown", "me.blog.example", "vm1.cloud.example"):
        assert host not in suffixes, host


def test_the_packaged_list() -> None:
    suffixes = packaged_suffixes()
    for host in ("com", "co.uk", "github.io", "blogspot.com", "compute-1.amazonaws.com"):
        assert host in suffixes, host
    for host in ("example.com", "example.github.io", "ec2-192-0-2-1.compute-1.amazonaws.com"):
        assert host not in suffixes, host


@pytest.mark.shared
def test_published_vectors() -> None:
    with shared_data("address-vectors/public_suffix_list.dat").open(encoding="utf-8") as file:
        suffixes = Suffixes(file)
    left_out = checked = 0
    for line in shared_data("address-vectors/test_psl.txt").read_text().splitlines():
        vector = _VECTOR.match(line)
        if vector is None:
            continue
        name, registrable = vector[1], vector[2]
        if name is None or name.startswith("."):
            # No name at all, and a leading dot: canonical hosts have none.
            left_out += 1
            continue
        host = canonical_host(name)
        checked += 1
        if registrable is None:
            assert host in suffixes, line
        else:
            short = canonical_host(registrable)
            assert short not in suffixes, line
            assert short.partition(".")[2] in suffixes, line
            assert host == short or host.endswith("." + short)
    assert (checked, left_out) == (73, 5)
