import os

import pytest

from lab_fixtures import make_lab, namespace_lab, qemu_lab
from svm_fixtures import svm, svm_lab

__all__ = ["make_lab", "namespace_lab", "qemu_lab", "svm", "svm_lab"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
