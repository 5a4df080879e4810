"""The variables by which rules hand state to each other: flowbits, xbits, hostbits, flowints."""

from hyperward.ips.rules.rule import Option, StateUse

_BITS = frozenset({"flowbits", "xbits", "hostbits"})
_BIT_WRITES = frozenset({"set", "unset", "toggle"})
_BIT_TESTS = frozenset({"isset", "isnotset"})
_INT_WRITES = frozenset({"=", "+", "-"})


def state_uses(option: Option) -> tuple[StateUse, ...]:
    """Return how an option uses shared variables; empty for an option that does not."""
    if option.value is None:
        return ()
    if option.name in _BITS:
        return _bit_uses(option.name, option.value)
    if option.name == "flowint":
        parts = [part.strip() for part in option.value.split(",")]
        operator = parts[1] if len(parts) > 1 else ""
        return (StateUse(f"flowint:{parts[0]}", operator in _INT_WRITES),)
    return ()


def _bit_uses(kind: str, value: str) -> tuple[StateUse, ...]:
    command, _, rest = value.partition(",")
    command = command.strip().lower()
    if command not in _BIT_WRITES and command not in _BIT_TESTS:
        return ()
    names = rest.split(",", 1)[0].split("|")
    return tuple(StateUse(f"{kind}:{name.strip()}", command in _BIT_WRITES) for name in names)
