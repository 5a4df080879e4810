"""Databases as tables for people."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hyperward.cli.output import add_row, print_text, show, table
from hyperward.databases.changes.model import ChangeReport, TrafficChange

MAX_ROWS: Final = 30
"""Rules, entries and problems that are shown; `--json` and `--html` have more."""


def print_done(done: dict[str, Any]) -> None:
    """Print what came of a change."""
    if done["result"] == "updated":
        seconds = f"tested in {done['test_seconds']} s, activated in {done['activation_seconds']} s"
        print_text(f"version {done['after']} is in force instead of {done['before']} ({seconds})")
        if done["report"] is not None:
            print_changes(msgspec.convert(done["report"], ChangeReport))
    elif done["result"] == "rolled back":
        print_text(f"version {done['after']} is in force again instead of {done['before']}")
    else:
        print_text(done["text"])


def print_status(answer: dict[str, Any]) -> None:
    """Print how databases are."""
    made = table("Databases", ("what", "state"))
    for name, text in _status_rows(answer):
        add_row(made, name, text)
    show(made)
    if answer["own"]:
        own_table(answer["own"])


def own_table(rows: Iterable[dict[str, Any]]) -> None:
    """Print what became of own files, and where they are wrong."""
    rows = list(rows)
    made = table("Own lists and rules", ("file", "kind", "state", "used", "refused", "in force"))
    for one in rows:
        kept = "the last good content" if one["kept"] else "nothing" if one["state"] == "invalid" else "this content"
        add_row(made, one["path"], one["kind"], one["state"], str(one["used"]), str(one["refused"]), kept)
    show(made)
    problems = [problem for one in rows for problem in one["problems"]]
    if problems:
        told = table("What is wrong", ("place", "reason", "text"))
        for problem in problems[:MAX_ROWS]:
            add_row(told, problem["place"], problem["reason"], problem["text"])
        show(told)
        _rest("problems", len(problems))


def print_changes(report: ChangeReport) -> None:
    """Print a change report."""
    print_text(f"from {report.before} to {report.after}: {report.summary()}")
    if report.rules:
        made = table("Rules", ("change", "rule", "name", "class", "recent detections"))
        for rule in report.rules[:MAX_ROWS]:
            number = f"{rule.before} > {rule.rule}" if rule.before not in {"", rule.rule} else rule.rule
            add_row(made, rule.change, number, rule.message, rule.category, str(rule.recent or ""))
        show(made)
        _rest("rules", report.rules_added + report.rules_removed + report.rules_changed)
    if report.lists:
        made = table("Lists of addresses", ("list", "category", "before", "after", "added", "removed", "first"))
        for one in report.lists[:MAX_ROWS]:
            first = [f"+ {text}" for text in one.first_added[:3]] + [f"- {text}" for text in one.first_removed[:3]]
            counts = (one.before, one.after, one.added, one.removed)
            add_row(made, one.list, one.category, *map(str, counts), "\n".join(first))
        show(made)
        _rest("lists", len(report.lists))
    if report.demotions:
        made = table("Entries made narrower", ("list", "was", "entry", "reason"))
        for demotion in report.demotions[:MAX_ROWS]:
            add_row(made, demotion.list, demotion.was, demotion.entry, demotion.reason)
        show(made)
        _rest("entries made narrower", report.demoted)
    if report.traffic is not None:
        _traffic("Recent requests that would now be blocked", report.traffic.would_block, report.traffic.blocked)
        _traffic("Recent requests that would no longer be blocked", report.traffic.would_pass, report.traffic.passed)
        print_text(f"{report.traffic.addresses} addresses of recent requests were judged again. {report.traffic.note}")


def _traffic(title: str, changes: tuple[TrafficChange, ...], count: int) -> None:
    if not changes:
        return
    made = table(title, ("VM", "address", "before", "after", "category", "list", "requests", "last"))
    for one in changes[:MAX_ROWS]:
        before, after = one.before or "not listed", one.after or "not listed"
        add_row(made, one.vm, one.address, before, after, one.category, one.list, str(one.requests), one.last)
    show(made)
    _rest("addresses", count)


def _rest(what: str, count: int) -> None:
    if count > MAX_ROWS:
        print_text(f"{count - MAX_ROWS} more {what} are not shown; see --json, --html and the full list")


def _status_rows(answer: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("version", answer["version"] + (f", built {answer['built']}" if answer["built"] else ""))]
    if answer["built"]:
        days, most = answer["age_seconds"] / 86400, answer["max_age_seconds"] / 86400
        old = f"{days:.1f} days without a confirmation, more than {most:g}: too old"
        rows.append(("age", old if answer["too_old"] else f"confirmed as the latest {days:.1f} days ago"))
    if answer["problem"]:
        rows.append(("problem", answer["problem"]))
    rows.append(("previous", str(answer["previous"] or "starter")))
    rows.append(("on this machine", ", ".join(map(str, answer["on_disk"])) or "none"))
    rows.append(("rules from", _from(answer["rule_files"], replaced=answer["rules_replaced"])))
    rows.append(("addresses from", _from(answer["address_databases"], replaced=answer["addresses_replaced"])))
    rows.append(("source", answer["source"] or "none configured"))
    rows.append(("last look", answer["looked"] or "none yet"))
    if answer["failed"]:
        rows.append(("last look failed", answer["failed"]))
    if answer["skipped_up_to"]:
        rows.append(("left alone", f"versions up to {answer['skipped_up_to']}, which was rolled back from"))
    if answer["next_look"]:
        rows.append(("next look", answer["next_look"]))
    if answer["job"]:
        rows.append(("under way", f"{answer['job']['action']} ({answer['job']['who']}): {answer['job']['step']}"))
    return rows


def _from(paths: list[str], *, replaced: bool) -> str:
    told = ", ".join(paths) or "none"
    return f"{told} (svm.yaml names them in the place of the databases)" if replaced else told
