"""The report as one HTML file that loads nothing and runs nothing: everything in a capture is hostile."""

from collections.abc import Iterable, Sequence
from html import escape

from hyperward.simulate.report import Connection, SimulationReport, Verdict

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem}
th{border-bottom:2px solid #8a929b}td{border-bottom:1px solid #d8dde2;overflow-wrap:anywhere}
.blocked,.source_blocked{color:#a40e26;font-weight:600}.reported{color:#7a4b00;font-weight:600}
.note{background:#fff6d6;padding:.4rem .8rem}
@media (prefers-color-scheme:dark){body{color:#e6e9ec;background:#14171a}td{border-color:#343a40}
.blocked,.source_blocked{color:#ff8a95}.reported{color:#f0c060}.note{background:#3a3210}}
"""


def html(report: SimulationReport) -> str:
    """Return the report as a self-contained page."""
    title = f"Policy {report.policy}: dry run"
    facts = f"{report.capture}, {report.packets} packets; mode {report.mode}; rule set {report.rules_version}"
    totals = [(_verdict(verdict), escape(str(report.totals[verdict]))) for verdict in Verdict]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(facts)}</p>",
        *(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        _table("Connections by verdict", ("verdict", "connections"), totals),
    ]
    if report.rules:
        parts.append(_table("Rules", ("rule", "name", "class", "asked", "blocked", "reported"), _rules(report)))
    if report.rows:
        rows = [_cells(row.row, row.action, row.connections) for row in report.rows]
        parts.append(_table("Exclusion rows", ("row", "action", "connections"), rows))
    if report.source_blocks:
        blocks = [_cells(b.address, b.vlan or "", b.since, b.until, b.rule) for b in report.source_blocks]
        parts.append(_table("Sources that would be blocked", ("address", "VLAN", "from", "until", "rule"), blocks))
    columns = ("start", "client", "server", "protocol", "direction", "verdict", "why")
    parts.append(_table("Connections", columns, map(_connection, report.connections)))
    if report.left_out:
        parts.append(f"<p>{report.left_out} more connections are not shown.</p>")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def end(address: str, port: int | None) -> str:
    """Return one end of a connection as people write it."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def why(connection: Connection) -> str:
    """Return in one line what decided about a connection."""
    found = [
        f"{d.rule} {d.message} ({d.category or 'no class'}, {d.asked}{f', {d.count} times' if d.count > 1 else ''})"
        f"{f' {d.request}' if d.request else ''}"
        for d in connection.detections
    ]
    if connection.reason:
        found.append(connection.reason)
    if connection.row:
        found.append(f"row: {connection.row}")
    return "; ".join(found)


def _rules(report: SimulationReport) -> Iterable[tuple[str, ...]]:
    return (_cells(r.rule, r.message, r.category, r.asked, r.blocked, r.reported) for r in report.rules)


def _connection(c: Connection) -> tuple[str, ...]:
    kind = f"{c.protocol} {c.application}".strip()
    cells = _cells(c.start, end(c.client, c.client_port), end(c.server, c.server_port), kind, c.direction or "")
    return (*cells, _verdict(c.verdict), escape(why(c)))


def _verdict(verdict: Verdict) -> str:
    return f'<span class="{verdict.value}">{escape(verdict.value.replace("_", " "))}</span>'


def _cells(*values: object) -> tuple[str, ...]:
    return tuple(escape(str(value)) for value in values)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
