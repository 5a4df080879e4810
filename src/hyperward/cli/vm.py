"""`hyperward vm list`."""

import typer

from hyperward.cli.output import add_row, print_json, show, table
from hyperward.cli.paths import DEFAULT_CONFIG, ConfigOption, JsonOption
from hyperward.svm.config import load_config
from hyperward.svm.control import ask

_FEATURES = {"intrusion_prevention": "IPS", "web_addresses": "web addresses"}

app = typer.Typer(help="The VMs of this hypervisor.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The VMs of this hypervisor."""


@app.command("list")
def list_vms(config: ConfigOption = DEFAULT_CONFIG, *, json: JsonOption = False) -> None:
    """List the VMs, whether they are protected, and what to do where they are not."""
    vms = ask(load_config(config).run_dir / "svm.sock", "vms")
    if json:
        print_json(vms)
        return
    made = table("VMs", ("VM", "status", "policy", "mode", "features", "ports", "packets", "what to do"))
    for vm in vms:
        counters = [port["counters"] for port in vm["ports"] if port["counters"]]
        packets = sum(c["from_vm"]["seen_packets"] + c["to_vm"]["seen_packets"] for c in counters)
        todo = next((c["what_to_do"] for c in vm["conditions"] if not c["ok"] and c["what_to_do"]), "")
        ports = ", ".join(port["interface"] for port in vm["ports"])
        features = ", ".join(_FEATURES.get(name, name) for name in vm["features"]) or "-"
        state = (vm["name"], vm["status"], vm["policy"] or "-", vm["mode"] or "-", features)
        add_row(made, *state, ports, str(packets), todo)
    show(made)
