"""The examples on the page about policies are true."""

import re
from pathlib import Path

from hyperward.policy.actions import WebAction
from hyperward.policy.web import WebAddresses
from hyperward.svm.policy_file import parse_policies
from hyperward.webscan.scanner.blockpage import NAMES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policies.md"


def test_examples_can_be_used() -> None:
    tree, rows, web = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [policy.parent for policy in parse_policies(tree, "example")] == [None, "Base", "Base"]
    (policy,) = parse_policies(rows, "example")
    assert [row.action.value for row in policy.exclusions] == ["default", "do_not_scan"]
    (policy,) = parse_policies(web, "example")
    assert policy.web_addresses.own_categories["social-media"] is WebAction.OFF
    assert len(policy.web_addresses.never_block) == 2


def test_every_web_setting_and_placeholder_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(f"`{name}" in page for name in set(WebAddresses.model_fields) - {"categories", "protocols"})
    assert all(f"`{{{{{name}}}}}`" in page for name in NAMES)
