"""`hyperward svm run|detach` and `hyperward status`."""

import asyncio
import logging
from typing import Any

import structlog
import typer

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.svm.config import load_config
from hyperward.svm.control import ask
from hyperward.svm.instance import require_root

app = typer.Typer(help="The SVM: the node that protects the VMs of this hypervisor.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The SVM: the node that protects the VMs of this hypervisor."""


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Protect the VMs of this hypervisor, in the foreground, until stopped."""
    from hyperward.svm.daemon import Daemon

    # Before anything else: without root, whatever else looks wrong may be so only for lack of rights.
    require_root()
    loaded = load_config(config)
    level = getattr(logging, loaded.log_level.upper())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level), logger_factory=structlog.PrintLoggerFactory()
    )
    asyncio.run(Daemon(loaded).run(lambda: print("ready", flush=True)))  # noqa: T201 - for whoever waits for it


@app.command()
def detach(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take protection off: release all ports, end the engine, remove the inspection pairs. The daemon must not run."""
    from hyperward.svm.detach import detach as take_off

    require_root()
    released = asyncio.run(take_off(load_config(config)))
    print(f"released {released} ports; their interfaces are as they were found")  # noqa: T201 - the answer


def status(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """Show the state of the SVM on this machine."""
    answer = ask(load_config(config).run_dir / "svm.sock", "status")
    if json:
        print_json(answer)
        return
    made = table(f"SVM {answer['svm']}", ("what", "state"))
    for name, text in _rows(answer):
        add_row(made, name, text)
    show(made)


def _scanner_rows(scanners: dict[str, Any]) -> list[tuple[str, str]]:
    if not scanners["wanted"]:
        return [("web scanners", "not needed: no policy in force scans web addresses")]
    rows = []
    for one in scanners["processes"]:
        running = f"runs (process {one['pid']})" if one["pid"] else "does not run"
        error = f"; {one['error']}" if one["error"] else ""
        answers = "answers" if one["answers"] else "does not answer"
        rows.append((f"web scanner {one['index']}", f"{running}, {answers}{error}"))
    rows.append(("web scanned ports", str(scanners["ports"])))
    return rows + [("address database", f"{path}: {version}") for path, version in scanners["databases"].items()]


def _rows(answer: dict[str, Any]) -> list[tuple[str, str]]:
    engine = answer["engine"]
    running = f"runs (process {engine['pid']})" if engine["pid"] else "does not run"
    rows = [
        ("daemon", f"process {answer['pid']}, since {answer['since']}"),
        ("engine", f"{running}, {'answers' if engine['answers'] else 'does not answer'}"),
        ("tenants", str(engine["tenants"])),
        ("protected ports", str(answer["ports"]["protected"])),
        ("VMs in the inventory", str(answer["vms"]["known"])),
        ("policies", f"{answer['policies']['known']}, taken over {answer['policies']['since']}"),
    ]
    databases = answer["databases"]
    problem = f"; missing or too old: {databases['problem']}" if databases["problem"] else ""
    rows.append(("databases", f"version {databases['version']}{problem}"))
    rows += [("rule set", digest[:12]) for digest in answer["rule_sets"]]
    rows += _scanner_rows(answer["scanners"])
    for failure in answer["failures"]:
        text = (
            f"{failure['component']} {failure['why']}: {failure['passed']} packets passed, {failure['dropped']} dropped"
        )
        rows.append((f"inspection of {failure['vm'] or failure['port']}", text))
    return rows
