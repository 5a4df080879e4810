"""Files shipped with the rule compiler: class table, engine configuration of classes and references, starter rules."""

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def classification_path() -> Path:
    """Return the engine's `classification.config`: the classtypes of the common rule feeds."""
    return _FOLDER / "classification.config"


def reference_path() -> Path:
    """Return the engine's `reference.config`: the reference systems of the common rule feeds."""
    return _FOLDER / "reference.config"


def starter_rules_path() -> Path:
    """Return the folder of the rules that protect a VM before any feed is configured, one file for each topic."""
    return _FOLDER / "starter"


def class_table_path() -> Path:
    """Return the table by which rules are sorted into classes."""
    return _FOLDER / "classes.toml"


def check_config_path() -> Path:
    """Return the engine configuration under which rules are tried."""
    return _FOLDER / "check.yaml"
