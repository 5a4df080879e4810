import pytest

from hyperward.errors import InputError
from hyperward.ips.rules.classes import RuleClass
from hyperward.ips.rules.classify import default_class_table, parse_class_table
from hyperward.ips.rules.parse import parse_rule
from hyperward.ips.rules.rule import LocatedRule


def located(
    msg: str,
    classtype: str = "",
    *,
    severity: str = "Major",
    confidence: str = "",
    file: str = "x.rules",
    options: str = 'content:"x";',
) -> LocatedRule:
    metadata = (
        f"metadata:signature_severity {severity}{', confidence ' + confidence if confidence else ''};"
        if severity
        else ""
    )
    kind = f"classtype:{classtype};" if classtype else ""
    rule = parse_rule(f'alert tcp any any -> any any (msg:"{msg}"; {options} {kind} sid:1; {metadata})')
    return LocatedRule(rule, file, 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (located("ET MALWARE Foo CnC Checkin", "command-and-control"), RuleClass.MALWARE),
        (located("ET TROJAN Foo", "trojan-activity", severity=""), RuleClass.MALWARE),
        (located("ET MOBILE_MALWARE Foo", "trojan-activity"), RuleClass.MALWARE),
        (located("ET PHISHING Bank", "credential-theft"), RuleClass.MALWARE),
        (located("ET EXPLOIT_KIT RIG", "exploit-kit"), RuleClass.MALWARE),
        (located("ET CNC Feodo", "trojan-activity"), RuleClass.MALWARE),
        (located("ET ADWARE_PUP Bar", "pup-activity", severity="Minor"), RuleClass.ADWARE),
        (located("ET USER_AGENTS Bar", "pup-activity", severity="Minor"), RuleClass.ADWARE),
        (located("ET EXPLOIT Log4j", "attempted-admin"), RuleClass.NETWORK_ATTACK),
        (located("ET EXPLOIT Shell", "trojan-activity"), RuleClass.NETWORK_ATTACK),
        (located("ET WEB_SERVER Injection", "web-application-attack"), RuleClass.NETWORK_ATTACK),
        (located("ET WEB_SERVER WebShell - Title", "bad-unknown"), RuleClass.NETWORK_ATTACK),
        (located("ET SCAN Nikto", "web-application-attack", severity="Informational"), RuleClass.NETWORK_ATTACK),
        (located("ET DOS Flood", "attempted-dos"), RuleClass.NETWORK_ATTACK),
        (located("ET DROP Spamhaus", "misc-attack", severity="Minor"), RuleClass.NETWORK_ATTACK),
        (located("ET COINMINER Pool", "coin-mining", severity="Informational"), RuleClass.OTHER),
        (located("ET TOR Relay", "misc-attack", severity="Informational"), RuleClass.OTHER),
        (located("ET REMOTE_ACCESS AnyDesk", "misc-activity"), RuleClass.OTHER),
        (located("ET INFO Something", "trojan-activity"), RuleClass.INFO),
        (located("ET HUNTING Something", "attempted-admin"), RuleClass.INFO),
        (located("ET POLICY Something", "trojan-activity"), RuleClass.INFO),
        (located("ET JA3 Hash", "command-and-control"), RuleClass.INFO),
        (located("ET GAMES Steam", "misc-activity"), RuleClass.INFO),
        (located("ET CHAT IRC", "trojan-activity"), RuleClass.INFO),
        (located("TGI HUNT odd name", "trojan-activity", severity=""), RuleClass.INFO),
        (located("SURICATA STREAM odd", "protocol-command-decode", severity=""), RuleClass.INFO),
        (located("ET SHELLCODE NOOP", "shellcode-detect"), RuleClass.INFO),
        (located("ET SCAN inbound to mySQL port 3306", "bad-unknown", severity="Informational"), RuleClass.INFO),
        (located("ET EXPLOIT Vague", "bad-unknown"), RuleClass.INFO),
        (located("ET EXPLOIT Vague", "bad-unknown", confidence="High"), RuleClass.NETWORK_ATTACK),
        (located("ET MALWARE Something", "trojan-activity", severity="Informational"), RuleClass.INFO),
        (located("Own rule", "trojan-activity", severity=""), RuleClass.MALWARE),
        (located("Own rule", "attempted-user", severity=""), RuleClass.NETWORK_ATTACK),
        (located("Own", severity="", file="feed.tar.gz:rules/emerging-scan.rules"), RuleClass.NETWORK_ATTACK),
        (located("Own", severity="", file="tor.rules"), RuleClass.OTHER),
        (located("SSLBL: JA3", "", severity="", options='ja3_hash; content:"aa";'), RuleClass.INFO),
    ],
)
def test_shipped_table(rule: LocatedRule, expected: RuleClass) -> None:
    found = default_class_table().classify(rule)
    assert found.rule_class is expected, found
    assert found.known


@pytest.mark.parametrize("protocol", ["tcp", "udp", "ip"])
def test_rules_over_ports_alone_inform(protocol: str) -> None:
    rule = parse_rule(
        f'alert {protocol} $EXTERNAL_NET any -> $HOME_NET 5432 (msg:"ET SCAN x"; flow:to_server; flags:S; '
        "threshold:type limit,track by_src,count 5,seconds 60; classtype:attempted-recon; sid:1;)"
    )
    assert default_class_table().classify(LocatedRule(rule, "x", 1)).rule_class is RuleClass.INFO


def test_lists_of_hosts_are_not_ports_alone() -> None:
    rule = parse_rule(
        'alert ip [192.0.2.1,2001:db8::1] any -> $HOME_NET any (msg:"ET CINS x"; classtype:misc-attack; sid:1;)'
    )
    assert default_class_table().classify(LocatedRule(rule, "x", 1)).rule_class is RuleClass.NETWORK_ATTACK


def test_what_nothing_fits_informs_and_says_so() -> None:
    found = default_class_table().classify(located("Own rule", severity=""))
    assert found.rule_class is RuleClass.INFO
    assert not found.known


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x =", "not TOML"),
        ("[[line]]", "something else"),
        ('[[row]]\nclass = "info"', "row 1: no reason"),
        ('[[row]]\nclass = "bad"\nreason = "x"', "row 1: unknown class 'bad'"),
        ('[[row]]\nclass = "info"\nreason = "x"\nseverty = ["a"]', "row 1: unknown key 'severty'"),
        ('[[row]]\nclass = "info"\nreason = "x"\nseverity = "a"', "row 1: severity is not a list"),
    ],
)
def test_a_wrong_table_is_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        parse_class_table(text, "t.toml")


def test_every_row_gives_a_reason_and_a_condition() -> None:
    for row in default_class_table().rows:
        assert row.reason
        assert any((row.category, row.classtype, row.severity, row.confidence, row.shape, row.message))
