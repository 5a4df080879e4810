"""What a rule looks at, as far as its class depends on it."""

from hyperward.ips.rules.rule import Header, Rule

PORTS_ONLY = "ports_only"
"""Addresses by variable, ports, flags, fragmentation, ICMP types and counting decide; nothing of what is sent does."""
FINGERPRINT = "fingerprint"
"""A TLS or SSH client fingerprint decides, with at most one more pattern."""

_SAYS_NOTHING = frozenset({
    "msg", "sid", "rev", "gid", "classtype", "metadata", "reference", "priority", "target", "noalert", "tag",
    "flow", "flags", "tcp.flags", "threshold", "detection_filter", "flowbits",
    "itype", "icode", "fragbits", "fragoffset", "ip_proto",
})  # fmt: skip
_FINGERPRINTS = frozenset({
    "ja3_hash", "ja3.hash", "ja3_string", "ja3.string", "ja3s_hash", "ja3s.hash", "ja3s.string", "ja4.hash",
    "ssh.hassh", "ssh.hassh.server", "ssh.hassh.string", "ssh.hassh.server.string",
})  # fmt: skip
_PATTERNS = frozenset({"content", "uricontent", "pcre"})


def shape_of(rule: Rule) -> str:
    """Return the shape that the class table knows, or an empty text for a rule that looks at content."""
    patterns = 0
    silent = True
    fingerprint = False
    for option in rule.options:
        name = option.name
        if name in _PATTERNS:
            patterns += 1
            silent = False
        elif name in _FINGERPRINTS:
            fingerprint = True
            silent = False
        elif silent and name not in _SAYS_NOTHING:
            silent = False
    if fingerprint and patterns <= 2:  # noqa: PLR2004 - the fingerprint itself and one more
        return FINGERPRINT
    if silent and not rule.states and not _names_hosts(rule.header):
        return PORTS_ONLY
    return ""


def _names_hosts(header: Header) -> bool:
    """Tell whether an address is written out, as in lists of hostile hosts."""
    return any(
        part.strip("![").startswith(tuple("0123456789")) or ":" in part for part in (header.source, header.destination)
    )
