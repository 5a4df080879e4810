"""Make an interface speak through a VLAN without a VLAN device, which not every kernel has: two small tc programs."""

import os
import socket
import struct
from typing import Any

import cffi

from hyperward.steering import attach as tc
from hyperward.steering.attach import Hook

_ffi: Any = cffi.FFI()
_ffi.cdef("""
int bpf_prog_load(int type, const char *name, const char *license, const void *insns, size_t count, void *options);
""")
_SCHED_CLS = 3  # linux/bpf.h, also what follows
_VLAN_PUSH, _VLAN_POP = 18, 19


def _move(register: int, value: int) -> bytes:
    return struct.pack("=BBhi", 0xB7, register, 0, value)


def _call(helper: int) -> bytes:
    return struct.pack("=BBhi", 0x85, 0, 0, helper)


_EXIT = struct.pack("=BBhi", 0x95, 0, 0, 0)


def _load(name: bytes, *instructions: bytes) -> int:
    code = b"".join((*instructions, _move(0, 0), _EXIT))
    fd = _ffi.dlopen("libbpf.so.1").bpf_prog_load(_SCHED_CLS, name, b"GPL", code, len(code) // 8, _ffi.NULL)
    assert fd >= 0, os.strerror(-fd)
    return int(fd)


def speak_tagged(interface: str, vid: int) -> None:
    """Push a tag on whatever leaves the interface of the current namespace, and pop one of whatever comes."""
    ifindex = socket.if_nametoindex(interface)
    tc.ensure_qdisc(ifindex)
    push = _load(b"push", _move(2, socket.htons(0x8100)), _move(3, vid), _call(_VLAN_PUSH))
    pop = _load(b"pop", _call(_VLAN_POP))
    try:
        tc.attach(ifindex, Hook.EGRESS, push)
        tc.attach(ifindex, Hook.INGRESS, pop)
    finally:
        os.close(push)
        os.close(pop)
