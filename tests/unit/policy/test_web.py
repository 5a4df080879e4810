"""Web Addresses Scan as a part of policies: read, checked, inherited, resolved, printed."""

from datetime import UTC, datetime

import pytest

from hyperward.inventory.models import Inventory, Port, Vm
from hyperward.policy.actions import HelloAction, WebAction
from hyperward.policy.explain import explain
from hyperward.policy.export import as_yaml, effective_yaml
from hyperward.policy.findings import policy_warnings
from hyperward.policy.plan import plan
from hyperward.policy.resolve import Resolver, next_expiry
from hyperward.policy.web import MAX_OWN_CATEGORIES, CategoryActions, WebAddresses
from hyperward.svm.desired import desired_ports
from hyperward.svm.policy_file import parse_policies, parse_policy_file
from hyperward.webscan.plan import web_plan
from hyperward.webscan.scanner.blockpage import MAX_TEMPLATE
from hyperward.webscan.settings import WebScan
from hyperward.yamlfile import FileErrors

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = "policies:\n- name: p\n  assign: {names: ['*']}\n  web_addresses:\n    enabled: true\n"
TREE = """\
policies:
- name: base
  locked: [web_addresses.never_block]
  web_addresses:
    enabled: true
    categories: {phishing: report, other: off, advertising: "off"}
    own_categories: {gambling: block, games: off}
    never_block: [{mask: example.com, reason: ours, expires: 2026-06-03}, {mask: example.com, reason: again}]
    block_page: |
      <p>{{ address }}</p>
      <p>{{contact}}</p>
    contact: Help desk
- name: leaf
  parent: base
  assign: {names: ["*"]}
  web_addresses:
    protocols: {dns: true}
    encrypted_client_hello: reset
    dns_answer: ["2001:DB8::1", 192.0.2.1]
"""


def scan(text: str) -> WebScan | None:
    (policy,) = parse_policies(HEAD + text, "p.yaml")
    return web_plan(Resolver([policy]).named("p"), now=NOW)


def refusal(text: str) -> str:
    with pytest.raises(FileErrors) as refused:
        parse_policies(HEAD + text, "p.yaml")
    return refused.value.line()


def test_defaults_are_the_contracts() -> None:
    web = WebAddresses()
    assert not web.enabled
    actions = web.categories.model_dump()
    assert actions == {"malicious": "block", "phishing": "block", "advertising": "report", "other": "off"}
    assert web.protocols.model_dump() == {"http": True, "tls": True, "quic": True, "dns": False}
    assert (web.own_categories, web.never_block, web.block_page, web.contact) == ({}, (), None, None)
    assert (web.encrypted_client_hello, web.dns_answer) == (HelloAction.ALLOW, "nxdomain")


def test_off_means_off_with_and_without_quotes() -> None:
    web = parse_policy_file(TREE, "f").policies[0].web_addresses
    assert web.categories.other is web.categories.advertising is web.own_categories["games"] is WebAction.OFF


def test_settings_come_down_the_tree_to_the_scanner() -> None:
    resolver = Resolver(parse_policies(TREE, "f"))
    assert web_plan(resolver.named("leaf"), now=NOW) == WebScan(
        categories={
            "malicious": WebAction.BLOCK,
            "phishing": WebAction.REPORT,
            "advertising": WebAction.OFF,
            "other": WebAction.OFF,
            "gambling": WebAction.BLOCK,
            "games": WebAction.OFF,
        },
        never_block=("example.com",),
        dns=True,
        encrypted_hello=HelloAction.RESET,
        block_page="<p>{{ address }}</p>\n<p>{{contact}}</p>\n",
        contact="Help desk",
        sinkhole4="192.0.2.1",
        sinkhole6="2001:db8::1",
    )
    base = web_plan(resolver.named("base"), now=NOW)
    assert base is not None
    assert (base.dns, base.sinkhole4, base.encrypted_hello) == (False, "", HelloAction.ALLOW)


def test_locked_setting_is_refused_below() -> None:
    text = TREE + "    never_block: []\n"
    with pytest.raises(FileErrors, match=r"'web_addresses\.never_block' is locked by policy 'base'"):
        parse_policies(text, "f")


def test_expired_rows_do_not_count_and_the_next_expiry_is_known() -> None:
    policies = parse_policies(TREE, "f")
    assert next_expiry(policies, now=NOW) == datetime(2026, 6, 4, tzinfo=UTC)
    row = "    never_block: [{mask: a.example, reason: r, expires: 2026-05-01}, {mask: b.example, reason: r}]\n"
    found = scan(row)
    assert found is not None
    assert found.never_block == ("b.example",)


@pytest.mark.parametrize(
    "text",
    [
        "    enabled: false\n",
        "    protocols: {http: false, tls: false, quic: false}\n",
        "    categories: {malicious: off, phishing: off, advertising: off}\n    own_categories: {games: off}\n",
    ],
)
def test_nothing_to_do_is_no_scan(text: str) -> None:
    text = text.removeprefix("    enabled: false\n")
    assert (scan(text) if text else web_plan(None, now=NOW)) is None


def test_hidden_names_are_reset_even_when_no_category_is_on() -> None:
    off = "    categories: {malicious: off, phishing: off, advertising: off}\n"
    found = scan(off + "    encrypted_client_hello: reset\n")
    assert found is not None
    assert found.encrypted_hello is HelloAction.RESET


def test_every_port_of_a_covered_vm_gets_the_scan_and_the_name_of_its_policy() -> None:
    vm = Vm("a", "a", "static", (), (Port("tap1"), Port("tap2")))
    ports = desired_ports(parse_policies(HEAD, "f"), Inventory((vm,)), now=NOW)
    assert [(port.ips, port.policy, port.web is not None) for port in ports] == [(None, "p", True)] * 2
    assert ports[0].web is ports[1].web


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("    categories: {phishing: true}\n", "p.yaml:6:28: policies[0].web_addresses.categories.phishing: expected"),
        ("    categories: {adware: block}\n", "adware: unknown key; known keys here: malicious, phishing"),
        ("    own_categories: {games: drop}\n", "own_categories.games: expected block, report or off"),
        ("    own_categories: {phishing: off}\n", "'phishing' is a category of the product; set it under categories"),
        ("    own_categories: {My Games: off}\n", "'My Games' is not the name of a category"),
        ("    own_categories: [games]\n", "own_categories: expected a mapping"),
        ("    never_block: [{mask: example.com}]\n", "never_block[0].reason: this key is required"),
        (
            "    never_block: [{mask: exa*mple.com, reason: r}]\n",
            "never_block[0].mask: 'exa*mple.com', character 4: '*' cannot be here",
        ),
        ("    protocols: {http: off}\n", 'http: expected true or false, got the text "off"'),
        ("    protocols: {ftp: true}\n", "ftp: unknown key"),
        (
            "    block_page: <p>{{adress}}</p>\n",
            "no such placeholder: 'adress' (line 1, column 4 of it); there are address, category",
        ),
        ("    block_page: ''\n", "must not be empty"),
        (f"    block_page: {'x' * (MAX_TEMPLATE + 1)}\n", f"more than {MAX_TEMPLATE}"),
        ("    contact: ''\n", "must not be empty"),
        ("    encrypted_client_hello: block\n", "expected allow or reset"),
        ("    dns_answer: sinkhole\n", "'sinkhole' is not an address; write nxdomain, or addresses"),
        ("    dns_answer: [192.0.2.1, 192.0.2.2]\n", "two addresses of IPv4"),
        ("    dns_answer: []\n", "expected nxdomain or addresses"),
        ("    dns_answer: {a: b}\n", "expected nxdomain or addresses"),
        ("    dns_answer: [1]\n", "is not an address"),
    ],
)
def test_mistakes_have_their_place(text: str, wanted: str) -> None:
    assert wanted in refusal(text)


def test_too_many_own_categories_are_refused() -> None:
    many = ", ".join(f"c{number}: off" for number in range(MAX_OWN_CATEGORIES + 1))
    assert "own_categories" in refusal(f"    own_categories: {{{many}}}\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("    categories: {malicious: off, phishing: off, advertising: off}\n", "every category is off"),
        ("    protocols: {http: false, tls: false, quic: false}\n", "all protocols are off"),
        ("    dns_answer: 192.0.2.1\n", "protocols.dns is off"),
    ],
)
def test_what_has_no_effect_is_a_warning(text: str, wanted: str) -> None:
    (found,) = policy_warnings(parse_policy_file(HEAD + text, "f"))
    assert wanted in found.what


def test_exported_settings_read_back_equal() -> None:
    file = parse_policy_file(TREE, "f")
    written = as_yaml(file)
    assert parse_policy_file(written, "written") == file
    assert "    block_page: |\n      <p>{{ address }}</p>\n" in written
    again = parse_policy_file(effective_yaml(file), "exported")
    before, after = Resolver(file.policies), Resolver(again.policies)
    assert before.named("leaf") == after.named("leaf")


def test_plan_and_explanation_name_settings_and_origins() -> None:
    vms = [Vm("a", "a", "static")]
    before = parse_policies(TREE, "f")
    after = parse_policies(TREE.replace("games: off", "games: report"), "f")
    (change,) = plan((before, vms), (after, vms)).changes
    (setting,) = change.settings
    assert (setting.path, str(setting.origin_after)) == ("web_addresses.own_categories", "base")
    assert hash(setting) != hash(setting.before)
    told = {setting.path: setting for setting in explain(before, vms[0]).settings}
    assert told["web_addresses.categories.phishing"].origin.policy == "base"
    assert told["web_addresses.protocols.dns"].origin.policy == "leaf"
    assert told["web_addresses.never_block"].locked_by == ("base",)


def test_categories_do_not_change() -> None:
    actions = CategoryActions({"games": WebAction.OFF})
    with pytest.raises(TypeError):
        actions["games"] = WebAction.BLOCK
    assert hash(actions) == hash(CategoryActions({"games": WebAction.OFF}))
