"""The examples on the page about policies are true."""

import re
from pathlib import Path

from hyperward.svm.policy_file import parse_policies

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policies.md"


def test_examples_can_be_used() -> None:
    tree, rows = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [policy.parent for policy in parse_policies(tree, "example")] == [None, "Base", "Base"]
    (policy,) = parse_policies(rows, "example")
    assert [row.action.value for row in policy.exclusions] == ["default", "do_not_scan"]
