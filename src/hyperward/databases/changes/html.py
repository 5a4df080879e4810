"""The change report as one HTML file that loads nothing and runs nothing: texts in it are other people's."""

from collections.abc import Iterable, Sequence
from html import escape

from hyperward.databases.changes.model import ChangeReport, TrafficChange

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem}
th{border-bottom:2px solid #8a929b}td{border-bottom:1px solid #d8dde2;overflow-wrap:anywhere}
.note{background:#fff6d6;padding:.4rem .8rem}
@media (prefers-color-scheme:dark){body{color:#e6e9ec;background:#14171a}td{border-color:#343a40}
.note{background:#3a3210}}
"""


def html(report: ChangeReport) -> str:
    """Return the report as a self-contained page."""
    title = f"Databases: from {report.before} to {report.after}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(report.time)}: {escape(report.summary())}</p>",
        _table("Counts", ("what", "before", "after", "added", "removed", "changed"), _counts(report)),
        *_traffic(report),
    ]
    if report.samples is not None and (report.samples.lost or report.samples.gained):
        rows = [("no longer caught", name) for name in report.samples.lost]
        rows += [("caught now", name) for name in report.samples.gained]
        parts.append(_table("Built-in attacks", ("change", "attack"), rows))
    if report.rules:
        columns = ("change", "rule", "before", "name", "class", "recent detections")
        rules = ((r.change, r.rule, r.before, r.message, r.category, r.recent) for r in report.rules)
        parts.append(_table("Rules", columns, rules))
    if report.lists:
        parts.append(_table("Lists", ("list", "category", "before", "after", "added", "removed"), _lists(report)))
    for one in report.lists:
        first = [("added", text) for text in one.first_added] + [("removed", text) for text in one.first_removed]
        if first:
            parts.append(_table(f"List {one.list}, first entries", ("change", "entry"), first))
    if report.demotions:
        demotions = ((d.list, d.was, d.entry, d.reason) for d in report.demotions)
        title = f"Entries made narrower ({report.demoted})"
        parts.append(_table(title, ("list", "was", "entry", "reason"), demotions))
    if report.full_list:
        parts.append(f"<p>Every change is in {escape(report.full_list)}.</p>")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _counts(report: ChangeReport) -> Iterable[Sequence[object]]:
    yield (
        "rules",
        report.rules_before,
        report.rules_after,
        report.rules_added,
        report.rules_removed,
        report.rules_changed,
    )
    yield ("addresses", report.entries_before, report.entries_after, report.entries_added, report.entries_removed, "")


def _lists(report: ChangeReport) -> Iterable[Sequence[object]]:
    return ((one.list, one.category, one.before, one.after, one.added, one.removed) for one in report.lists)


def _traffic(report: ChangeReport) -> Iterable[str]:
    traffic = report.traffic
    if traffic is None:
        return
    since = f" since {traffic.since}" if traffic.since else ""
    yield f'<p class="note">{traffic.addresses} addresses of requests{escape(since)} were judged again. '
    yield f"{escape(traffic.note)}</p>"
    for title, changes in (
        (f"Recent requests that would now be blocked ({traffic.blocked})", traffic.would_block),
        (f"Recent requests that would no longer be blocked ({traffic.passed})", traffic.would_pass),
    ):
        if changes:
            columns = ("VM", "address", "before", "after", "category", "list", "entry", "requests", "last")
            yield _table(title, columns, map(_cells, changes))


def _cells(one: TrafficChange) -> Sequence[object]:
    before, after = one.before or "not listed", one.after or "not listed"
    return (one.vm, one.address, before, after, one.category, one.list, one.entry, one.requests, one.last)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
