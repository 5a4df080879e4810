"""Checking policies and inventory together, before they replace what is in force.

Pure where it decides: `check_files` takes texts. `check_paths` reads them from files first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hyperward.inventory.file import LIMITS as INVENTORY_LIMITS
from hyperward.inventory.file import inventory_of
from hyperward.inventory.models import Inventory
from hyperward.policy.assignment import AssignmentTie
from hyperward.policy.fields import State
from hyperward.policy.findings import Finding, KeyPath, policy_warnings
from hyperward.policy.models import Policy, PolicyFile
from hyperward.policy.resolve import Resolver
from hyperward.svm.policy_file import LIMITS as POLICY_LIMITS
from hyperward.svm.policy_file import policies_of
from hyperward.yamlfile import Document, FileErrors, Problem, parse, read_text
from hyperward.yamlfile.problems import MAX_PROBLEMS

_INVENTORY = re.compile(r"^[\"']?vms[\"']?\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """The texts of a usable pair of files.

    Args:
        policy_text: the policy file's content.
        inventory_text: the inventory file's content.
        document: the policy file with the places of its keys.
    """

    policy_text: str
    inventory_text: str
    document: Document

    @property
    def texts(self) -> tuple[str, str]:
        """The contents of both files."""
        return self.policy_text, self.inventory_text

    def line_of(self, path: KeyPath) -> int:
        """Return the line, from 1, of a value of the policy file."""
        return self.document.positions.find(path, self.document.data)[0]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of a pair of files.

    Args:
        policies: in the order of the file; empty when there are errors.
        inventory: empty when there are errors.
        errors: why the files must not be used; at most `MAX_PROBLEMS` for each file and for both together.
        warnings: what is odd but usable.
        source: what they were read from; None when there are errors.
    """

    policies: tuple[Policy, ...]
    inventory: Inventory
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    source: Source | None = None

    @property
    def ok(self) -> bool:
        """Whether the files may replace what is in force."""
        return not self.errors

    def require(self) -> "CheckResult":
        """Return the result when it is usable.

        Raises:
            FileErrors: it has errors.
        """
        if self.errors:
            raise FileErrors(self.errors)
        return self

    def require_source(self) -> Source:
        """Return what the files were read from when they are usable.

        Raises:
            FileErrors: they have errors.
        """
        if self.errors or self.source is None:
            raise FileErrors(self.errors)
        return self.source


def check_paths(policy: Path, inventory: Path) -> CheckResult:
    """Read both files and check them; a file that cannot be read is one of the errors."""
    texts: list[str | None] = []
    errors: list[Problem] = []
    for path, limits in ((policy, POLICY_LIMITS), (inventory, INVENTORY_LIMITS)):
        try:
            texts.append(read_text(path, max_bytes=limits.max_bytes))
        except FileErrors as error:
            texts.append(None)
            errors += error.items
    return _check(texts[0], texts[1], str(policy), str(inventory), errors)


def check_alone(path: Path) -> CheckResult:
    """Read one file and check it for itself: an inventory when it has a key `vms` at its top, else policies.

    The result has errors and warnings, but neither policies nor inventory.
    """
    name = str(path)
    try:
        text = read_text(path, max_bytes=max(POLICY_LIMITS.max_bytes, INVENTORY_LIMITS.max_bytes))
    except FileErrors as error:
        return CheckResult((), Inventory(), error.items, ())
    if _INVENTORY.search(text):
        return _check(None, text, "", name, [])
    return _check(text, None, name, "", [])


def check_files(
    policy_text: str, inventory_text: str, *, policy_name: str = "policy.yaml", inventory_name: str = "inventory.yaml"
) -> CheckResult:
    """Check the texts of both files, each for itself and then together.

    Args:
        policy_text: the content of the policy file.
        inventory_text: the content of the inventory file.
        policy_name: the policy file's name for messages.
        inventory_name: the inventory file's name for messages.
    """
    return _check(policy_text, inventory_text, policy_name, inventory_name, [])


def _check(
    policy_text: str | None, inventory_text: str | None, policy_name: str, inventory_name: str, errors: list[Problem]
) -> CheckResult:
    file, inventory = PolicyFile(policies=()), Inventory()
    warnings: list[Problem] = []
    document = inventory_document = None
    if policy_text is not None:
        try:
            document = parse(policy_text, policy_name, POLICY_LIMITS)
            file = policies_of(document)
            warnings += _problems(document, policy_warnings(file))
        except FileErrors as error:
            errors += error.items
    if inventory_text is not None:
        try:
            inventory_document = parse(inventory_text, inventory_name, INVENTORY_LIMITS)
            inventory = inventory_of(inventory_document)
        except FileErrors as error:
            errors += error.items
    if not errors and document is not None and inventory_document is not None:
        ties, used = _resolve_all(file, inventory)
        errors += _problems(inventory_document, ties)
        warnings += _problems(document, _unused(file, used))
        warnings += _problems(inventory_document, _unknown_tenants(file, inventory))
    if errors or policy_text is None or inventory_text is None or document is None:
        return CheckResult((), Inventory(), tuple(errors), tuple(warnings))
    source = Source(policy_text, inventory_text, document)
    return CheckResult(file.policies, inventory, (), tuple(warnings), source)


def _problems(document: Document, findings: Iterator[Finding]) -> list[Problem]:
    return [document.problem(f.path, f.what, hint=f.hint, see=f.see) for f in islice(findings, MAX_PROBLEMS)]


def _resolve_all(file: PolicyFile, inventory: Inventory) -> tuple[Iterator[Finding], frozenset[str]]:
    resolver = Resolver(file.policies)
    ties: list[Finding] = []
    used: set[str] = set()
    for index, vm in enumerate(inventory.vms):
        try:
            settings = resolver.effective(vm)
        except AssignmentTie as tie:
            ties.append(Finding(("vms", index), tie.what, tie.hint))
            used.update(tie.policies)
        else:
            used.update([settings.policy] if settings else [])
    return iter(ties), frozenset(used)


def _unused(file: PolicyFile, used: frozenset[str]) -> Iterator[Finding]:
    for index, policy in enumerate(file.policies):
        if policy.state is State.ACTIVE and policy.assign and policy.name not in used:
            what = f"the active policy '{policy.name}' covers no VM of the inventory"
            yield Finding(("policies", index, "assign"), what, "check the names, or more specific policies")


def _unknown_tenants(file: PolicyFile, inventory: Inventory) -> Iterator[Finding]:
    known = {tenant.name for tenant in file.tenants}
    for index, vm in enumerate(inventory.vms):
        if vm.tenant is not None and vm.tenant not in known:
            what = f"the policies know no tenant '{vm.tenant}', so only the provider's can cover VM '{vm.name}'"
            yield Finding(("vms", index, "tenant"), what, "correct the name, or add it to tenants of the policy file")
