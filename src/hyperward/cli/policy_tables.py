"""Plans and explanations as tables for people."""

import json

from rich.table import Table

from hyperward.cli.output import add_row, table
from hyperward.policy.explain import Explanation
from hyperward.policy.export import jsonable
from hyperward.policy.inherit import Origin
from hyperward.policy.plan import Plan, SettingChange

_NAMES_SHOWN = 5
_VALUE_SHOWN = 160


def changes_table(plan: Plan) -> Table:
    """Return a plan as a table; VMs for which the same changes share their rows."""
    alike: dict[tuple[str | None, str | None, tuple[SettingChange, ...]], list[str]] = {}
    for change in plan.changes:
        alike.setdefault((change.before, change.after, change.settings), []).append(change.vm)
    made = table("Changes", ("VM", "policy", "setting", "before", "after", "set by"))
    for (before, after, settings), names in alike.items():
        shown = ", ".join(names[:_NAMES_SHOWN])
        vms = shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
        policy = before or "none"
        if before != after:
            policy = f"{before or 'none'} -> {after or 'none'}"
        # Without a policy before or after, every setting comes or goes: the policy's name says it all.
        rows = settings if before is not None and after is not None else ()
        if not rows:
            text = "protected" if before is None else "no longer protected" if after is None else "equal settings"
            add_row(made, vms, policy, text, "", "", "")
        for number, row in enumerate(rows):
            head = (vms, policy) if number == 0 else ("", "")
            add_row(made, *head, row.path, value_text(row.before), value_text(row.after), _by(row))
    return made


def heading(told: Explanation) -> str:
    """Return what an explanation comes to, line by line."""
    whose = f" of tenant '{told.tenant}'" if told.tenant else ""
    if told.policy is None:
        tied = [candidate.policy for candidate in told.candidates if candidate.standing == "tied"]
        why = f"the policies {' and '.join(dict.fromkeys(tied))} tie" if tied else "no active policy covers it"
        return f"VM {told.vm}{whose} is not protected: {why}"
    lines = [f"VM {told.vm}{whose} is covered by policy {' > '.join(told.chain)}"]
    if told.remote is not None and told.row is None:
        lines.append(f"{told.remote}: no exclusion row applies, the settings below hold")
    elif told.row is not None:
        row = f"row {told.row.row}" if told.row.row else "no row"
        lines.append(f"{told.remote}: {told.row.action} by {row}: {told.row.reason}")
    return "\n".join(lines)


def candidates_table(told: Explanation) -> Table:
    """Return the assignments that match the VM, the most specific first."""
    made = table("Assignments", ("policy", "by", "result", "why"))
    for candidate in told.candidates:
        add_row(made, candidate.policy, candidate.entry, candidate.standing.replace("_", " "), candidate.why)
    return made


def settings_table(told: Explanation) -> Table:
    """Return the settings in force with their origins."""
    made = table("Settings", ("setting", "value", "set by", "locked by"))
    for setting in told.settings:
        add_row(made, setting.path, value_text(setting.value), str(setting.origin), ", ".join(setting.locked_by))
    return made


def value_text(value: object) -> str:
    """Return the value of a setting on one line; a long list is cut off and counted."""
    plain = jsonable(value)
    if plain is None:
        return "-"
    text = " ".join(plain.split()) if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    if len(text) <= _VALUE_SHOWN:
        return text
    count = f" ({len(plain)} entries)" if isinstance(plain, list) else ""
    return f"{text[:_VALUE_SHOWN]}...{count}"


def _by(change: SettingChange) -> str:
    before, after = _name(change.origin_before), _name(change.origin_after)
    return after if before == after else f"{before} -> {after}"


def _name(origin: Origin) -> str:
    return origin.policy or "default"
