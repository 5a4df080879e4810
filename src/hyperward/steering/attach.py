"""Attach the steering program to interfaces with tc, and take it off again without a trace.

Filters are cls_bpf in direct action. Ours are found by handle and priority, so filters of other tools on the same
interface stay, run after ours, and are never counted as ours. All calls act in the network namespace of the caller.
"""

import errno
from enum import IntEnum
from typing import Any

from pyroute2 import IPRoute

from hyperward.steering.libbpf import BpfError, check, lib, sized

HANDLE = 0x4857
PRIORITY = 1
REPLACE = 1  # BPF_TC_F_REPLACE: an attached filter is exchanged atomically


class Hook(IntEnum):
    """`enum bpf_tc_attach_point`."""

    INGRESS = 1
    EGRESS = 2
    BOTH = 3


def ensure_qdisc(ifindex: int) -> bool:
    """Add clsact to the interface; return False when it was there before, so that it is not ours to remove."""
    result = lib().bpf_tc_hook_create(_hook(ifindex, Hook.BOTH))
    if result == -errno.EEXIST:
        return False
    check(result, f"adding clsact to interface {ifindex}")
    return True


def remove_qdisc(ifindex: int) -> None:
    """Remove clsact and with it whatever filters are left; an interface that is gone is fine."""
    result = lib().bpf_tc_hook_destroy(_hook(ifindex, Hook.BOTH))
    if result not in {0, -errno.ENODEV, -errno.EINVAL, -errno.ENOENT}:
        raise BpfError(f"removing clsact from interface {ifindex}", -result)


def attach(ifindex: int, hook: Hook, program_fd: int) -> None:
    """Attach the program, or exchange the one of ours that is there, atomically."""
    options = sized("bpf_tc_opts")
    options.prog_fd = program_fd
    options.flags = REPLACE
    options.handle = HANDLE
    options.priority = PRIORITY
    check(lib().bpf_tc_attach(_hook(ifindex, hook), options), f"attaching to interface {ifindex} {hook.name.lower()}")


def detach(ifindex: int, hook: Hook) -> None:
    """Remove our filter; one that is not there, or an interface that is gone, is fine."""
    result = lib().bpf_tc_detach(_hook(ifindex, hook), _ours())
    if result not in {0, -errno.ENOENT, -errno.ENODEV, -errno.EINVAL}:
        raise BpfError(f"detaching from interface {ifindex} {hook.name.lower()}", -result)


def attached(ifindex: int, hook: Hook) -> int | None:
    """Return the kernel's id of our attached program, or None."""
    options = _ours()
    result = lib().bpf_tc_query(_hook(ifindex, hook), options)
    if result in {-errno.ENOENT, -errno.ENODEV, -errno.EINVAL}:
        return None
    check(result, f"looking at the filters of interface {ifindex}")
    return int(options.prog_id)


def _hook(ifindex: int, point: Hook) -> Any:
    hook = sized("bpf_tc_hook")
    hook.ifindex = ifindex
    hook.attach_point = int(point)
    return hook


def _ours() -> Any:
    options = sized("bpf_tc_opts")
    options.handle = HANDLE
    options.priority = PRIORITY
    return options


def others(ifindex: int) -> bool:
    """Tell whether filters of other tools are on the interface's clsact."""
    done = False
    with IPRoute() as ip:
        for parent in (0xFFFFFFF2, 0xFFFFFFF3):  # TC_H_CLSACT with TC_H_MIN_INGRESS, TC_H_MIN_EGRESS
            done = done or any(True for _ in ip.get_filters(index=ifindex, parent=parent))
    return done
