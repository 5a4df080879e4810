"""Reading a file of policies."""

from itertools import chain, islice
from pathlib import Path

from hyperward.policy.findings import policy_errors
from hyperward.policy.models import Policy, PolicyFile
from hyperward.policy.treefindings import tree_errors
from hyperward.yamlfile import Document, FileErrors, Limits, parse, read_text
from hyperward.yamlfile.limits import MIB
from hyperward.yamlfile.problems import MAX_PROBLEMS

# 10,000 excluded rules with reason and expiry are 70,000 keys and values.
LIMITS = Limits(max_bytes=MIB, max_nodes=100_000, max_entry_nodes=100_000)


def load_policies(path: Path) -> tuple[Policy, ...]:
    """Return the policies in a file.

    Raises:
        FileErrors: it cannot be read, or all that is wrong in it.
    """
    return parse_policies(read_text(path, max_bytes=LIMITS.max_bytes), str(path))


def parse_policies(text: str, name: str) -> tuple[Policy, ...]:
    """Return the policies in the text of a file.

    Args:
        text: the file's content.
        name: the file's name for messages.

    Raises:
        FileErrors: all that is wrong in it.
    """
    return parse_policy_file(text, name).policies


def parse_policy_file(text: str, name: str) -> PolicyFile:
    """Return the text of a file of policies with its tenants.

    Args:
        text: the file's content.
        name: the file's name for messages.

    Raises:
        FileErrors: all that is wrong in it.
    """
    return policies_of(parse(text, name, LIMITS))


def policies_of(document: Document) -> PolicyFile:
    """Return the policies in a parsed file.

    Raises:
        FileErrors: all that is wrong in it.
    """
    file = document.validate(PolicyFile)
    findings = islice(chain(policy_errors(file), tree_errors(file)), MAX_PROBLEMS)
    problems = [document.problem(found.path, found.what, hint=found.hint, see=found.see) for found in findings]
    if problems:
        raise FileErrors(problems)
    return file
