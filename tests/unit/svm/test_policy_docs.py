"""The example on the page about policies is true."""

import re
from pathlib import Path

from hyperward.svm.policy_file import parse_policies

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policies.md"


def test_example_can_be_used() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [policy.parent for policy in parse_policies(example, "example")] == [None, "Base", "Base"]
