"""Labs as fixtures. A conftest imports the names it wants: `namespace_lab`, `qemu_lab`, `make_lab`."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from hyperward.lab.cleanup import destroy_orphans
from hyperward.lab.plan import plan_lab
from hyperward.lab.topology import Lab

MakeLab = Callable[..., Lab]
"""`make_lab(vms=1, qemu=False)`: a lab of its own, up, that ends with the session."""


def lab_name() -> str:
    """Return a name that no other lab on this machine has."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture(scope="session")
def make_lab() -> Iterator[MakeLab]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    destroy_orphans()
    with ExitStack() as stack:

        def make(*, vms: int = 1, qemu: bool = False) -> Lab:
            return stack.enter_context(Lab(plan_lab(lab_name(), vms=vms, qemu=qemu)))

        yield make


@pytest.fixture(scope="session")
def namespace_lab(make_lab: MakeLab) -> Lab:
    """Two namespace VMs and an outside host, shared by all tests of the session."""
    return make_lab(vms=2)


@pytest.fixture(scope="session")
def qemu_lab(make_lab: MakeLab) -> Lab:
    """One namespace VM, the QEMU VM and an outside host, shared by all tests of the session."""
    return make_lab(vms=1, qemu=True)
