from pathlib import Path

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.lab.http_service import _number
from hyperward.lab.records import RecordWriter, read_records
from hyperward.lab.services import service_command
from hyperward.lab.small_services import answer

NAMES = {"vm1.hyperward.test": ("10.77.0.11", "fd77::11")}


@pytest.mark.parametrize(("kind", "expected"), [("A", "10.77.0.11"), ("AAAA", "fd77::11")])
def test_a_known_name_is_answered(tmp_path: Path, kind: str, expected: str) -> None:
    writer = RecordWriter(tmp_path / "r")
    query = dns.message.make_query("VM1.hyperward.test", kind)
    reply = dns.message.from_wire(answer(query.to_wire(), NAMES, writer, "10.0.0.1"))
    assert query.is_response(reply)
    assert [str(record) for rows in reply.answer for record in rows] == [expected]
    assert read_records(tmp_path / "r")[0].fields == {"name": "VM1.hyperward.test.", "type": kind}


def test_an_unknown_name_does_not_exist_and_another_type_is_empty(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    unknown = dns.message.from_wire(answer(dns.message.make_query("x.test", "A").to_wire(), NAMES, writer, ""))
    assert unknown.rcode() == dns.rcode.NXDOMAIN
    query = dns.message.make_query("vm1.hyperward.test", "MX")
    empty = dns.message.from_wire(answer(query.to_wire(), NAMES, writer, ""))
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])


@given(data=st.binary(max_size=80))
def test_any_packet_can_come(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    writer = RecordWriter(tmp_path_factory.getbasetemp() / "fuzz")
    assert isinstance(answer(data, NAMES, writer, ""), bytes)


def test_sizes_are_bounded() -> None:
    assert _number("ff", 16) == 255
    for text in ("-1", "x", "", str(2**40)):
        with pytest.raises(ValueError, match=r"."):
            _number(text, 10)


def test_the_command_names_files_and_names() -> None:
    names = '{"vm1.hyperward.test": ["10.77.0.11", "fd77::11"]}'
    assert service_command(Path("/r"), 7, NAMES)[-4:] == ["/r", "7", names, ""]
    assert service_command(Path("/r"), 7, NAMES, Path("/c"))[-1] == "/c"
