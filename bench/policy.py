"""How long policies take: `python bench/policy.py [VMS] [POLICIES]`, by default 1,000 VMs and 50 policies.

Prints the milliseconds of reading and checking both files, of resolving every VM, and of a whole plan (both sides read,
checked, resolved and compared, as `hyperward policy plan` does) with its ratio to the limit of 1 s.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from hyperward.policy.plan import plan
from hyperward.policy.resolve import Resolver
from hyperward.steering.stub import StubPorts
from hyperward.svm.apply import Applier
from hyperward.svm.check import CheckResult, check_files
from hyperward.svm.desired import desired_ports
from hyperward.svm.exclusion_sets import ExclusionSets
from hyperward.svm.scanners.link import StubScanners
from hyperward.svm.state import State
from hyperward.svm.stub import StubEngine, StubRuleSets, StubTables

VMS, POLICIES = 1_000, 50
LIMIT_MS = 1_000.0
RUNS = 7
TOUCHED = 10
_KINDS = (
    "names: ['app{n}-*']",
    "tags: [tag{n}]",
    "groups: [group{n}]",
    "networks: [{network}]",
    "paths: [/dc/c{n}]",
)


def made_up_policies(count: int, minutes: int) -> str:
    """Return a root with locks, and a tree of policies below it that use every kind of assignment."""
    lines = [
        "policies:",
        "- {name: p0, state: inactive, locked: [failure], intrusion_prevention: {enabled: true}}",
    ]
    for number in range(1, count):
        parent, assign = f"p{(number - 1) // 3}", _KINDS[number % len(_KINDS)].replace("{n}", str(number))
        assign = assign.replace("{network}", f"10.{number // 256}.{number % 256}.0/24")
        block = minutes if number % 5 == 0 else 60
        rule = f"1:{number}:{block}"
        lines.append(
            f"- {{name: p{number}, parent: {parent}, assign: {{{assign}}}, intrusion_prevention: "
            f"{{network_attacks: {{block_minutes: {block}}}, excluded_rules: [{{rule: '{rule}', reason: r}}]}}}}"
        )
    return "\n".join(lines)


def made_up_inventory(vms: int, policies: int) -> str:
    """Return VMs of which each one matches one policy."""
    lines = ["vms:"]
    for number in range(vms):
        n = number % (policies - 1) + 1
        own = (
            "",
            f"tags: [tag{n}], ",
            f"groups: [group{n}], ",
            f"addresses: [10.{n // 256}.{n % 256}.1], ",
            f"path: /dc/c{n}/h, ",
        )
        lines.append(f"- {{name: app{n}-{number}, {own[n % 5]}ports: [{{interface: tap{number}}}]}}")
    return "\n".join(lines)


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of some runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def applying(old: CheckResult, new: CheckResult) -> float:
    """Return the milliseconds of a change that touches a few VMs, with twins in the place of engine and kernel."""
    now = datetime.now(UTC)
    before = desired_ports(old.policies, old.inventory, now=now)
    after = {port.interface: port for port in desired_ports(new.policies, new.inventory, now=now)}
    touched = [port.interface for port in before if port != after[port.interface]][:TOUCHED]
    wanted = [after[port.interface] if port.interface in touched else port for port in before]
    links = {port.interface: number for number, port in enumerate(before, 1)}
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.json")
        applier = Applier(
            ports=StubPorts(),
            engine=StubEngine(),
            rule_sets=StubRuleSets(),
            state=state,
            exclusions=ExclusionSets(StubTables()),
            scanners=StubScanners(),
        )
        asyncio.run(applier.apply(before, links, dict.fromkeys(links, 1)))
        start = time.perf_counter()
        asyncio.run(applier.apply(wanted, links, dict.fromkeys(links, 1)))
        return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Measure and print."""
    vms, policies = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((1, VMS), (2, POLICIES)))
    before, after = made_up_policies(policies, 60), made_up_policies(policies, 5)
    inventory = made_up_inventory(vms, policies)

    def read(text: str) -> CheckResult:
        return check_files(text, inventory).require()

    def whole() -> int:
        old, new = read(before), read(after)
        return len(plan((old.policies, old.inventory.vms), (new.policies, new.inventory.vms)).changes)

    old, new = read(before), read(after)
    resolver = Resolver(old.policies)
    covered = sum(resolver.effective(vm) is not None for vm in old.inventory.vms)
    worlds = (old.policies, old.inventory.vms), (new.policies, new.inventory.vms)
    print(f"{vms} VMs, {policies} policies; {covered} VMs covered, {whole()} change")
    print(f"read and check both files: {milliseconds(lambda: read(before)):8.1f} ms")
    print(f"inherit and index:         {milliseconds(lambda: Resolver(old.policies)):8.1f} ms")
    print(f"resolve every VM:          {milliseconds(lambda: [resolver.effective(vm) for vm in worlds[0][1]]):8.1f} ms")
    print(f"compare both sides:        {milliseconds(lambda: plan(*worlds)):8.1f} ms")
    print(f"apply {TOUCHED} of the VMs:       {applying(old, new):8.1f} ms, without engine and kernel")
    total = milliseconds(whole)
    print(f"plan in all:               {total:8.1f} ms, {total / LIMIT_MS:.2f} of the limit of {LIMIT_MS:.0f} ms")


if __name__ == "__main__":
    main()
