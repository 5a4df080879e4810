import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.inventory.values import check_interface, parse_address, parse_mac


@pytest.mark.parametrize("name", ["tap0", "vnet12", "a", "fifteen-bytes-x", "veth1.100", "@x", "é", "hwg2", "hwg00"])
def test_interface_names(name: str) -> None:
    assert check_interface(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "has 1 to 15 bytes"),
        ("sixteen-bytes-xx", "has 1 to 15 bytes"),
        ("éééééééé", "has 1 to 15 bytes"),
        (".", "not an interface name"),
        ("..", "not an interface name"),
        ("a/b", "not an interface name"),
        ("a b", "not an interface name"),
        ("a\tb", "not an interface name"),
        ("a\u00a0b", "not an interface name"),
        ("eth0:1", "not an interface name"),
        ("tap%d", "not an interface name"),
        ("a\x00", "not an interface name"),
        *(
            (name, f"{name} is reserved")
            for name in ("hwg0", "hwg1", "hwn0", "hwn1", "hwm0", "hwm1", "hww0", "hww15", "lo")
        ),
    ],
)
def test_bad_interface_names(name: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        check_interface(name)


@given(st.text(max_size=20))
def test_an_interface_name_is_safe_to_use(text: str) -> None:
    try:
        name = check_interface(text)
    except ValueError:
        return
    assert 1 <= len(name.encode()) <= 15
    assert not set(name) & set("/:% \t\n\r\v\f\0")


@pytest.mark.parametrize("text", ["52:54:00:AB:cd:01", "52-54-00-ab-CD-01", "52:54:00:ab:cd:01"])
def test_macs_have_one_form(text: str) -> None:
    assert parse_mac(text) == "52:54:00:ab:cd:01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("525400abcd01", "not a MAC address"),
        ("52:54:00:ab:cd", "not a MAC address"),
        ("52:54:00:ab:cd:01:02", "not a MAC address"),
        ("52:54:00:ab:cd:0g", "not a MAC address"),
        ("", "not a MAC address"),
        ("\uff152:54:00:ab:cd:01", "not a MAC address"),
        ("ff:ff:ff:ff:ff:ff", "a group's or nobody's"),
        ("01:00:5e:00:00:01", "a group's or nobody's"),
        ("00:00:00:00:00:00", "a group's or nobody's"),
    ],
)
def test_bad_macs(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_mac(text)


@pytest.mark.parametrize("text", ["10.0.0.1", "2001:db8::1", "fe80::1", "169.254.0.1"])
def test_addresses(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1/24", "not an IP address"),
        ("10.0.0.01", "not an IP address"),
        ("vm", "not an IP address"),
        ("::ffff:10.0.0.1", "IPv4 written as IPv6; write 10.0.0.1"),
        ("fe80::1%eth0", "with a zone"),
        ("224.0.0.1", "not the address of one machine"),
        ("ff02::1", "not the address of one machine"),
        ("0.0.0.0", "not the address of one machine"),
        ("::", "not the address of one machine"),
        ("127.0.0.1", "not the address of one machine"),
        ("::1", "not the address of one machine"),
    ],
)
def test_bad_addresses(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_address(text)
