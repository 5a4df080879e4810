from hypothesis import given
from hypothesis import strategies as st

from hyperward.policy.actions import WebAction
from hyperward.svm.scanners.settings import ScannedPort, ports_of, scanner_settings
from hyperward.webscan.settings import PortScan, ScannerSettings, WebScan

STRICT = WebScan({"malicious": WebAction.BLOCK})
MILD = WebScan({"malicious": WebAction.REPORT})


def test_ports_with_equal_settings_share_them() -> None:
    ports = {
        7: ScannedPort("b", "Strict", STRICT),
        3: ScannedPort("a", "Strict", WebScan({"malicious": WebAction.BLOCK})),
        9: ScannedPort("c", "Mild", MILD),
    }
    assert scanner_settings(5, "svm", ["/x.hwa"], ports) == ScannerSettings(
        version=5,
        svm="svm",
        databases=("/x.hwa",),
        scans=(STRICT, MILD),
        ports={3: PortScan("a", "Strict", 0), 7: PortScan("b", "Strict", 0), 9: PortScan("c", "Mild", 1)},
    )


@given(st.dictionaries(st.integers(1, 2047), st.sampled_from([STRICT, MILD])))
def test_what_was_told_is_known_again(scans: dict[int, WebScan]) -> None:
    ports = {number: ScannedPort(f"vm{number}", "p", scan) for number, scan in scans.items()}
    assert ports_of(scanner_settings(1, "svm", (), ports)) == ports


def test_a_port_without_settings_is_not_known() -> None:
    assert ports_of(ScannerSettings(1, "svm", (), (), {1: PortScan("a", "p", 4)})) == {}
