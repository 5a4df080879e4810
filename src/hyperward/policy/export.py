"""Policies as text: YAML that reads back equal, and the JSON Schema for editors. Pure."""

import json
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from hyperward.policy.inherit import inherit
from hyperward.policy.models import OWN_FIELDS, SETTINGS, Policy, PolicyFile
from hyperward.policy.settings import with_blocks
from hyperward.policy.tree import Tree

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def as_yaml(file: PolicyFile) -> str:
    """Return policies as a file that reads back equal: what is set, and nothing else."""
    return _dump(file.model_dump(mode="json", exclude_unset=True))


def effective_yaml(file: PolicyFile) -> str:
    """Return policies as a file in which each one stands for itself: every setting written out, no parents, no locks.

    Raises:
        InputError: the parents of a policy do not lead to a root.
    """
    tree = Tree(file.policies)
    data: dict[str, Any] = {}
    if file.tenants:
        data["tenants"] = [{"name": tenant.name} for tenant in file.tenants]
    data["policies"] = [_effective(tree, policy) for policy in file.policies]
    return _dump(data)


def jsonable(value: object) -> Any:
    """Return settings, plans, explanations or problems as what JSON knows."""
    return to_jsonable_python(value)


def _effective(tree: Tree, policy: Policy) -> dict[str, Any]:
    own = policy.model_dump(mode="json", exclude_unset=True, include=set(OWN_FIELDS - {"parent", "locked"}))
    settings = inherit(tree.chain(policy)).policy.model_dump(mode="json", exclude=set(OWN_FIELDS))
    return own | settings


def schema_text() -> str:
    """Return the JSON Schema of a policy file, with the paths that `locked` may name."""
    schema = PolicyFile.model_json_schema()
    locks = list(dict.fromkeys(part for path in SETTINGS for part in reversed(tuple(with_blocks(path)))))
    schema["$defs"]["Policy"]["properties"]["locked"]["items"] = {"type": "string", "enum": locks}
    head = {"$schema": _SCHEMA, "title": "Hyperward policy file"}
    return json.dumps(head | schema | head, indent=2, ensure_ascii=False) + "\n"


def _dump(data: dict[str, Any]) -> str:
    # No aliases: the reader refuses them. Width: a folded line is hard to compare.
    return yaml.dump(data, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=10_000)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write every value out."""
        del data
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Write text of several lines as it is, line by line."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _Plain.represent_text)
