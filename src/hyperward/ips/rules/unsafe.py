"""Rules that are never handed to the engine, because they would do something else than detect.

A feed is data from outside. In the engine, a rule can also read and write files, run code, rewrite traffic, or end
inspection. None of that is a feed's business.
"""

from hyperward.ips.rules.rule import Option, Rule

_FILES = "reads or writes files of the engine's machine"
_CODE = "runs code in the engine"
_BLIND = "ends the inspection of a flow"
_REASONS = {
    "lua": _CODE,
    "luajit": _CODE,
    "luaxform": _CODE,
    "filestore": _FILES,
    "filemd5": _FILES,
    "filesha1": _FILES,
    "filesha256": _FILES,
    "datarep": _FILES,
    "replace": "rewrites traffic",
    "nfq_set_mark": "changes how the kernel routes a packet",
    "bypass": _BLIND,
    "config": "changes what the engine logs and follows",
}
_DATASET_FILES = frozenset({"load", "save", "state"})
_LEFT_OUT_ACTIONS = {
    "pass": "action pass ends the inspection of a flow",
    "config": "action config changes what the engine logs and follows",
}
CLASS_KEY = "hyperward_class"
"""Metadata key by which an alert names its class. Ours alone: a feed that sets it would lie about the class."""


def unsafe_reason(rule: Rule) -> str:
    """Return why a rule is left out, or an empty text for one that only detects."""
    if reason := _LEFT_OUT_ACTIONS.get(rule.action):
        return reason
    for option in rule.options:
        name = option.name
        if reason := _REASONS.get(name):
            return f"option {name} {reason}"
        if name == "dataset" and _names_file(option):
            return f"option dataset {_FILES}"
    if any(key.lower() == CLASS_KEY for key, _ in rule.metadata):
        return f"metadata {CLASS_KEY} is reserved"
    return ""


def _names_file(option: Option) -> bool:
    """Tell whether a dataset is loaded or saved: `set,name,type string,load list.txt`."""
    return any(
        part.split()[:1] and part.split()[0].lower() in _DATASET_FILES for part in (option.value or "").split(",")
    )
