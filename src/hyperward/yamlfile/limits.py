"""How large a file may be."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one YAML file.

    Args:
        max_bytes: size of the file, in bytes.
        max_nodes: keys, values, lists and mappings together.
        max_entry_nodes: the same for one entry of a list at the top, such as one VM.
        max_keys: keys of one mapping.
        max_depth: nesting of lists and mappings.
    """

    max_bytes: int
    max_nodes: int
    max_entry_nodes: int
    max_keys: int = 256
    max_depth: int = 24
