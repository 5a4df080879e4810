"""The Python structures of layout.py are the C structures of steering.h: compared through the program's BTF."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import cffi
import pytest

from hyperward.steering import layout
from hyperward.steering.program import object_bytes

ffi: Any = cffi.FFI()
ffi.cdef("""
struct btf;
struct btf_type { uint32_t name_off, info, size_or_type; };
struct btf_member { uint32_t name_off, type, offset; };
struct btf_array { uint32_t type, index_type, nelems; };
struct btf *btf__parse_elf(const char *path, void *ext);
void btf__free(struct btf *btf);
int32_t btf__find_by_name_kind(const struct btf *btf, const char *name, uint32_t kind);
const struct btf_type *btf__type_by_id(const struct btf *btf, uint32_t id);
const char *btf__name_by_offset(const struct btf *btf, uint32_t offset);
int64_t btf__resolve_size(const struct btf *btf, uint32_t id);
""")
KIND_ARRAY, KIND_STRUCT = 3, 4
HEADER = Path(layout.__file__).parent / "steering.h"

STRUCTURES = {
    "settings": layout.Settings,
    "port": layout.Port,
    "vid_owner": layout.VidOwner,
    "heartbeat": layout.Heartbeat,
    "flow_key": layout.FlowKey,
    "flow": layout.Flow,
    "blocked_key": layout.BlockedKey,
    "exclusion_key4": layout.ExclusionKey4,
    "exclusion_key6": layout.ExclusionKey6,
    "exclusion": layout.Exclusion,
    "exclusion_node": layout.ExclusionNode,
    "exclusion_hits": layout.ExclusionHits,
    "web_flow": layout.WebFlow,
    "scanner": layout.Scanner,
}


class Btf:
    def __init__(self, path: Path) -> None:
        self.lib = ffi.dlopen("libbpf.so.1")
        self.handle = self.lib.btf__parse_elf(str(path).encode(), ffi.NULL)

    def kind(self, type_id: int) -> int:
        return int(self.lib.btf__type_by_id(self.handle, type_id).info >> 24) & 0x1F

    def structure(self, name: str) -> tuple[int, list[tuple[int, int]]]:
        """Return the structure's size and (offset, size) of its scalars and byte strings, padding left out."""
        number = self.lib.btf__find_by_name_kind(self.handle, name.encode(), KIND_STRUCT)
        record = self.lib.btf__type_by_id(self.handle, number)
        found: list[tuple[int, int]] = []
        members = ffi.cast("struct btf_member *", record + 1)
        for index in range(record.info & 0xFFFF):
            member = members[index]
            if ffi.string(self.lib.btf__name_by_offset(self.handle, member.name_off)).startswith(b"pad"):
                continue
            offset, size = member.offset // 8, int(self.lib.btf__resolve_size(self.handle, member.type))
            array = self.lib.btf__type_by_id(self.handle, member.type)
            element = size
            if self.kind(member.type) == KIND_ARRAY:
                detail = ffi.cast("struct btf_array *", array + 1)
                element = int(self.lib.btf__resolve_size(self.handle, detail.type))
                if element == 1 and detail.nelems > 2:
                    element = size
            found += [(offset + at, element) for at in range(0, size, element)]
        return record.size_or_type, found


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("btf") / "steering.bpf.o"
    path.write_bytes(object_bytes())
    found = Btf(path)
    yield found
    found.lib.btf__free(found.handle)


def python_fields(record: Any) -> tuple[int, list[tuple[int, int]]]:
    sizes = {"B": 1, "H": 2, "I": 4, "Q": 8}
    offset, found = 0, []
    for count, code in re.findall(r"(\d*)([a-zA-Z])", record.FORMAT.format):
        number = int(count or 1)
        if code == "x":
            offset += number
        elif code == "s":
            found.append((offset, number))
            offset += number
        else:
            for _ in range(number):
                found.append((offset, sizes[code]))
                offset += sizes[code]
    return record.FORMAT.size, found


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_is_the_same_on_both_sides(btf: Btf, name: str) -> None:
    c_size, c_fields = btf.structure(name)
    size, found = python_fields(STRUCTURES[name])
    # two-byte ports are numbers in C and byte strings here, so only places and lengths are compared
    assert (size, found) == (c_size, c_fields)


def test_every_record_has_as_many_fields_as_its_format() -> None:
    for record in STRUCTURES.values():
        assert len(fields(record)) == len(python_fields(record)[1]), record


def header_enum(name: str) -> list[str]:
    body = re.search(rf"enum {name} \{{(.*?)\}}", HEADER.read_text(), re.DOTALL)
    assert body
    return re.findall(r"^\s*(\w+)", re.sub(r"/\*.*?\*/", "", body[1]).replace(",", "\n"), re.MULTILINE)


def test_enumerations_are_the_same_on_both_sides() -> None:
    assert [name.lower() for name in header_enum("counter")][:-1] == list(layout.COUNTERS)
    assert header_enum("port_mode") == [f"MODE_{mode.name}" for mode in layout.Mode]
    assert header_enum("direction")[:-1] == [direction.name for direction in layout.Direction]


def test_constants_are_those_of_the_header() -> None:
    header = HEADER.read_text()
    defined = {n: int(v.rstrip("u"), 0) for n, v in re.findall(r"#define (\w+) (0x[0-9a-fA-F]+u?|\d+)\b", header)}
    for name in (
        "MAX_WEB_FLOWS",
        "MAX_SCANNERS",
        "MARK_SCANNER",
        "MARK_SCANNER_COPY",
        "MARK_SCANNED",
        "PCP_SHIFT",
        "PCP_ORIGINAL",
        "PCP_CRAFTED",
        "PCP_COPY",
        "PCP_WHOLE",
        "LAYOUT_VERSION",
        "MAX_PORTS",
        "MAX_VIDS",
        "MAX_EXCLUSIONS",
        "MAX_EXCLUSION_HITS",
        "MAX_CANDIDATES",
        "PROTOCOL_ANY",
        "VID_PROBE",
        "ETHERTYPE_PROBE",
        "MARK_MAGIC",
        "MARK_TAG",
        "MARK_PROBE",
        "MARK_RETURNED",
    ):
        assert getattr(layout, name) == defined[name], name
    actions = {f"EXCLUSION_{a.name}": str(a.value) for a in layout.ExclusionAction}
    assert dict(re.findall(r"(EXCLUSION_D\w+) = (\d+)", header)) == actions
    assert dict(re.findall(r"(VLAN_\w+) = (\d+)", header)) == {f"VLAN_{v.name}": str(v.value) for v in layout.VlanMatch}
    openers = {name: int(value) for name, value in re.findall(r"OPENED_(\w+) = (\d+)", header)}
    assert openers == {
        "BY_VM": layout.Opener.BY_VM,
        "BY_REMOTE": layout.Opener.BY_REMOTE,
        "BY_ANY": layout.Opener.BY_ANY,
    }
    parts = {f"WEB_{part.name}": str(part.value) for part in layout.Web if part}
    assert dict(re.findall(r"(WEB_TCP|WEB_QUIC|WEB_DNS) = (\d+)", header)) == parts
    states = {f"WEB_{state.name}": str(state.value) for state in layout.WebState}
    body = re.search(r"enum web_state \{(.*?)\}", header, re.DOTALL)
    assert body
    assert dict(re.findall(r"(WEB_\w+) = (\d+)", body[1])) == states
    flags = dict(re.findall(r"(PORT_\w+) = (\d+)", header))
    assert {f"PORT_{f.name}": str(f.value) for f in layout.PortFlag if f} == flags


def test_counters_add_up_over_cpus() -> None:
    one = layout.Counters(dict.fromkeys(layout.COUNTERS, 2), dict.fromkeys(layout.COUNTERS, 3))
    total = layout.Counters.sum_of(one.pack() * 4)
    assert set(total.from_vm.values()) == {8}
    assert set(total.to_vm.values()) == {12}
