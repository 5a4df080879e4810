from pathlib import Path

from hyperward.lab.plan import plan_lab
from hyperward.lab.procs import ProcessRef
from hyperward.lab.qemu import QemuPaths, has_hardware_virtualisation, qemu_command, stop_vm

NODE = plan_lab(qemu=True).node("vmq")


def test_the_command_line_carries_plan_and_paths() -> None:
    command = " ".join(qemu_command(NODE, Path("/k/vmlinuz"), QemuPaths(Path("/run/x")), kvm=False))
    assert "-accel tcg -cpu max" in command
    assert "tap,id=net0,ifname=vmq,script=no,downscript=no" in command
    assert "mac=52:54:00:77:00:c8" in command
    assert "hw.ip4=10.77.0.200/24 hw.ip6=fd77::200/64" in command
    assert "-qmp unix:/run/x/qmp,server=on,wait=off" in command


def test_kvm_is_used_only_where_the_processor_has_it() -> None:
    assert has_hardware_virtualisation("processor: 0\nflags\t\t: fpu vmx sse\n")
    assert has_hardware_virtualisation("flags : svm\n")
    assert not has_hardware_virtualisation("flags : fpu svm_lock avmx\nvmx flags : x\n")
    assert "kvm" in qemu_command(NODE, Path("k"), QemuPaths(Path("x")), kvm=True)


def test_stopping_a_vm_that_is_gone_does_nothing(tmp_path: Path) -> None:
    stop_vm(QemuPaths(tmp_path), None)
    stop_vm(QemuPaths(tmp_path), ProcessRef(1, 0))
