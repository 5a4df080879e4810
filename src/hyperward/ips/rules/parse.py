r"""Strict parser for one Suricata rule.

It splits a rule where Suricata 7 splits it (`SigParseOptions` and `SigParseBasics` in `detect-parse.c`): an option ends
at the first semicolon that has no backslash before it, quotes or not; names of actions and options know no case. What
it does not understand it refuses; what it accepts keeps its exact text.
"""

import re

from hyperward.ips.rules.limits import MAX_RULE_BYTES
from hyperward.ips.rules.rule import Header, Option, Rule, RuleId, StateUse
from hyperward.ips.rules.state import state_uses

ACTIONS = frozenset({"alert", "pass", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "config"})
"""The actions of `SigParseAction`."""

_MAX_NUMBER = (1 << 32) - 1
# possessive throughout, and each part excludes what begins the next: no text makes it slow
_HEAD = re.compile(r"([A-Za-z]++)[ \t]++([A-Za-z0-9_-]++)[ \t]([^()<>=]++)(>|<>|=>)[ \t]([^()<>=]++)\(")
_OPTION = re.compile(r"[ \t]*+([A-Za-z0-9_.-]++)[ \t]*+(?::([^;]*+(?:(?<=\\);[^;]*+)*+))?;")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")
_ESCAPE = re.compile(r"\\(.)")
_QUOTED = frozenset({"msg", "content", "uricontent"})
"""Options with `SIGMATCH_QUOTES_MANDATORY`; a pcre is read without quotes, too."""
_SINGLE = frozenset({"msg", "sid", "rev", "gid", "classtype"})


class RuleSyntaxError(ValueError):
    """A text is not a rule.

    Args:
        reason: what is wrong.
        offset: where, in characters from the beginning of the text.
        sid: the signature number, when it could be read; else 0.
    """

    def __init__(self, reason: str, offset: int = 0, sid: int = 0) -> None:
        self.reason = reason
        self.offset = offset
        self.sid = sid
        super().__init__(f"{reason} (character {offset + 1})")


def parse_rule(text: str, *, enabled: bool = True) -> Rule:
    """Parse one rule.

    Args:
        text: the rule on one line, bytes decoded as Latin-1, without comment mark; white space around it is dropped.
        enabled: what to say in `Rule.enabled`; comment marks are the caller's business.

    Raises:
        RuleSyntaxError: the text is not a rule that Suricata could read.
    """
    text = text.strip(" \t\r")
    if len(text) > MAX_RULE_BYTES:
        raise RuleSyntaxError(f"longer than the engine reads ({len(text)} of at most {MAX_RULE_BYTES} bytes)")
    if control := _CONTROL.search(text):
        raise RuleSyntaxError(f"control character 0x{ord(control[0]):02x}", control.start())
    head = _HEAD.match(text)
    if head is None or (head[4] == ">") != head[3].endswith("-"):
        raise RuleSyntaxError("not of the form: action protocol address port -> address port (options)")
    action = head[1].lower()
    if action not in ACTIONS:
        raise RuleSyntaxError(f"unknown action {head[1]!r}")
    direction = "->" if head[4] == ">" else head[4]
    header = Header(head[2].lower(), *_endpoint(head, 3), direction, *_endpoint(head, 5))
    close = len(text) - 1
    if text[close] != ")":
        raise RuleSyntaxError("text after the closing bracket, or no closing bracket", close)
    options = _options(text, head.end(), close)
    try:
        return _rule(text, options, action=action, header=header, close=close, enabled=enabled)
    except RuleSyntaxError as error:
        raise RuleSyntaxError(error.reason, error.offset, _sid_or_zero(options)) from None


def _endpoint(head: re.Match[str], group: int) -> tuple[str, str]:
    """Split `address port`; white space inside square brackets belongs to a list."""
    text = head[group]
    if group == 3 and head[4] == ">":  # noqa: PLR2004 - the source; its text ends with the dash of the arrow
        text = text[:-1]
    if text.count("[") != text.count("]"):
        raise RuleSyntaxError(f"brackets do not match in {text.strip()[:60]!r}", head.start(group))
    parts = text.split()
    if len(parts) == 2:  # noqa: PLR2004 - an address and a port; nearly every rule has no white space in its lists
        return parts[0], parts[1]
    depth, words, word = 0, list[str](), ""
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter in " \t" and depth == 0:
            words.append(word)
            word = ""
        else:
            word += letter
    words = [each for each in (*words, word) if each]
    if len(words) != 2:  # noqa: PLR2004 - an address and a port
        raise RuleSyntaxError(f"not an address and a port: {text.strip()[:60]!r}", head.start(group))
    return words[0], words[1]


def _options(text: str, start: int, close: int) -> tuple[Option, ...]:
    options = []
    position = start
    match = _OPTION.match
    while found := match(text, position, close):
        name, value = found.groups()
        end = found.end()
        options.append(Option(name.lower(), None if value is None else value.strip(" \t"), found.start(1), end))
        position = end
    if text[position:close].strip(" \t"):
        raise RuleSyntaxError("not an option that ends with a semicolon", position, _sid_or_zero(tuple(options)))
    return tuple(options)


def _rule(text: str, options: tuple[Option, ...], *, action: str, header: Header, close: int, enabled: bool) -> Rule:
    single: dict[str, Option] = {}
    states: list[StateUse] = []
    metadata: list[tuple[str, str]] = []
    noalert = False
    for option in options:
        name, value = option.name, option.value
        if name in _QUOTED:
            _check_quotes(option)
        if name in _SINGLE:
            if name in single:
                raise RuleSyntaxError(f"{name} is given twice", option.start)
            single[name] = option
        elif name == "metadata":
            metadata.extend(_pairs(value or ""))
        elif name == "noalert":
            noalert = True
        elif uses := state_uses(option):
            states.extend(uses)
        elif name == "flowbits" and value == "noalert":
            noalert = True
    number = RuleId(_number(single, "gid", 1), _number(single, "sid", None), _number(single, "rev", 0))
    return Rule(
        text=text,
        enabled=enabled,
        action=action,
        header=header,
        options=options,
        close=close,
        id=number,
        msg=_message(single.get("msg")),
        classtype=(single["classtype"].value or "").lower() if "classtype" in single else "",
        noalert=noalert,
        states=tuple(states),
        metadata=tuple(metadata),
    )


def _check_quotes(option: Option) -> None:
    value = option.value or ""
    quoted = value[1:].lstrip(" \t") if value.startswith("!") else value
    if len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"':  # noqa: PLR2004 - two quotes
        raise RuleSyntaxError(f"the value of {option.name} is not in quotes, or a semicolon is missing", option.start)


def _number(single: dict[str, Option], name: str, default: int | None) -> int:
    option = single.get(name)
    if option is None:
        if default is None:
            raise RuleSyntaxError(f"no {name}")
        return default
    value = option.value or ""
    if not _NUMBER.match(value) or int(value) > _MAX_NUMBER or (name == "sid" and int(value) == 0):
        raise RuleSyntaxError(f"{name} is not a number from {int(name == 'sid')} to {_MAX_NUMBER}", option.start)
    return int(value)


def _sid_or_zero(options: tuple[Option, ...]) -> int:
    for option in options:
        if option.name == "sid" and _NUMBER.match(option.value or ""):
            return int(option.value or "0")
    return 0


def _pairs(value: str) -> list[tuple[str, str]]:
    pairs = []
    for part in value.split(","):
        words = part.split(None, 1)
        if words:
            pairs.append((words[0], words[1].strip() if len(words) > 1 else ""))
    return pairs


def _message(option: Option | None) -> str:
    if option is None or option.value is None:
        return ""
    raw = option.value[1:-1]
    if "\\" in raw:
        raw = _ESCAPE.sub(r"\1", raw)
    if raw.isascii():
        return raw
    return raw.encode("latin-1").decode("utf-8", "replace")
