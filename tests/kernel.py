"""Fixtures for tests that need root and the kernel: a network namespace of their own, the loaded steering program."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyroute2 import netns

from hyperward.steering.program import Program, mount_bpffs, object_bytes, open_program, unpin


@contextmanager
def own_namespace() -> Iterator[str]:
    """Create a network namespace, enter it with this thread, and delete it afterwards; yields its name."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    name = f"hw-t-{secrets.token_hex(3)}"
    netns.create(name)
    try:
        netns.pushns(name)
        try:
            yield name
        finally:
            netns.popns()
    finally:
        netns.remove(name)


@contextmanager
def own_bpffs(folder: Path) -> Iterator[Path]:
    """Mount a BPF file system at `folder` and take it away afterwards, with whatever is pinned there."""
    mount_bpffs(folder)
    try:
        yield folder
    finally:
        unpin(folder)
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def loaded_program(folder: Path) -> Iterator[Program]:
    """Load the steering program with pins below `folder`."""
    with own_bpffs(folder) as pins:
        program = open_program(pins, object_bytes())
        try:
            yield program
        finally:
            program.close()
