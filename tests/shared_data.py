"""Where the real rules, captures and addresses are: beside the checkout, or where HYPERWARD_SHARED points."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared_data(relative: str) -> Path:
    """Return the path of shared test data; skip the calling test where it is not there."""
    base = Path(os.environ.get("HYPERWARD_SHARED", ROOT.parent / "shared")) / "data"
    path = base / relative
    if not path.exists():
        pytest.skip(f"no shared test data at {path}")
    return path
