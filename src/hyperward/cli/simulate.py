"""`hyperward policy simulate`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, JsonOption
from hyperward.errors import InputError
from hyperward.files import write_atomically
from hyperward.inventory.values import parse_address
from hyperward.ips.engine.settings import EngineSettings
from hyperward.response.blocking import never_block
from hyperward.simulate.html import end, html, why
from hyperward.simulate.report import SimulationReport, Verdict
from hyperward.simulate.run import Progress, Request
from hyperward.simulate.run import simulate as run_simulation
from hyperward.simulate.sides import VmSide
from hyperward.svm.config import SvmConfig, load_config
from hyperward.svm.databases.view import rules_in_force
from hyperward.svm.engine_settings import engine_settings
from hyperward.svm.policy_file import load_policies

MAX_ROWS = 100_000


def simulate(
    *,
    pcap: Annotated[Path, typer.Option(help="The capture: pcap or pcapng.")],
    policy: Annotated[str, typer.Option(help="The policy's name; it may be inactive.")],
    policy_file: Annotated[Path | None, typer.Option(help="The file of policies; by default the SVM's.")] = None,
    vm: Annotated[list[str] | None, typer.Option(help="An address of the VM; may be given several times.")] = None,
    vm_side: Annotated[VmSide, typer.Option(help="Without --vm: which end of connections the VM is.")] = VmSide.HOME,
    rules: Annotated[
        list[Path] | None,
        typer.Option(help="Rule file, folder or archive; by default the SVM's, or the starter rules."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", envvar="HYPERWARD_CONFIG", help="The SVM's configuration; not needed with --policy-file."
        ),
    ] = None,
    checksums: Annotated[
        bool,
        typer.Option("--checksums", help="Leave out packets with wrong checksums; the sending host's have often none."),
    ] = False,
    json: JsonOption = False,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as a page to this file.")] = None,
    rows: Annotated[int, typer.Option(min=0, max=MAX_ROWS, help="Connections to show, the worst first.")] = 200,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long the engine may take.")] = 600,
) -> None:
    """Say what a policy would have blocked, reported and passed of a capture. Touches nothing that runs."""
    loaded = load_config(config or DEFAULT_CONFIG) if config or policy_file is None else None
    request = Request(
        capture=pcap,
        policies=load_policies(policy_file or _policy_file(loaded)),
        policy=policy,
        engine=engine_settings(loaded) if loaded else EngineSettings(binary=_engine()),
        rules=tuple(rules) if rules else (rules_in_force(loaded) if loaded else ()),
        vm=tuple(_address(text) for text in vm or ()),
        side=vm_side,
        never=never_block(the_configuration_says_so=map(ip_network, loaded.never_block if loaded else ())),
        checksums=checksums,
        rows=rows,
        seconds=seconds,
    )
    with _progress() as progress:
        report = run_simulation(request, progress)
    if html_file is not None:
        _write(html_file, html(report))
    if json:
        print_json(report)
    elif html_file is None:
        _show(report)


def _policy_file(config: SvmConfig | None) -> Path:
    if config is None:
        raise InputError("no file of policies", hint="give --policy-file or --config")
    return config.policy_file


def _engine() -> Path:
    found = shutil.which("suricata")
    if found is None:
        raise InputError("the program suricata is not there", hint="install Suricata, or give --config")
    return Path(found).absolute()


def _address(text: str) -> str:
    try:
        return str(parse_address(text))
    except ValueError as error:
        raise InputError(str(error), where=f"--vm {text}") from None


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is done now, where somebody looks; on standard error, so that the report stays alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _, __: None
        return
    with console.status("starting") as status:
        yield lambda text, part: status.update(f"{text}: {part:.0%}" if part else text)


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=str(path), hint="check the folder") from None


def _show(report: SimulationReport) -> None:
    made = table(f"Policy {report.policy} ({report.mode}) over {report.capture}", ("verdict", "connections"))
    for verdict in Verdict:
        add_row(made, verdict.value.replace("_", " "), str(report.totals[verdict]))
    show(made)
    if report.rules:
        made = table("Rules", ("rule", "name", "class", "asked", "blocked", "reported"))
        for rule in report.rules:
            add_row(made, rule.rule, rule.message, rule.category, rule.asked, str(rule.blocked), str(rule.reported))
        show(made)
    if report.rows:
        made = table("Exclusion rows", ("row", "action", "connections"))
        for row in report.rows:
            add_row(made, row.row, row.action, str(row.connections))
        show(made)
    made = table("Connections", ("start", "client", "server", "protocol", "direction", "verdict", "why"))
    for c in report.connections:
        ends = (end(c.client, c.client_port), end(c.server, c.server_port))
        kind = f"{c.protocol} {c.application}".strip()
        add_row(made, c.start, *ends, kind, c.direction or "", c.verdict.replace("_", " "), why(c))
    show(made)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if report.left_out:
        console.print(f"{report.left_out} more connections are not shown; see --rows")
    for note in report.notes:
        console.print(f"Note: {note}")
