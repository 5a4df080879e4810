"""The classes into which Intrusion Prevention sorts rules; the policy sets an action for each."""

from enum import StrEnum


class RuleClass(StrEnum):
    """What a rule looks for, in the terms of the policy."""

    NETWORK_ATTACK = "network_attack"
    """Exploits, scans, floods: an attempt on a machine."""
    MALWARE = "malware"
    """Viruses, worms, trojans, command and control."""
    ADWARE = "adware"
    """Advertising and potentially unwanted programs."""
    OTHER = "other"
    """Legitimate software that can be misused: remote administration, downloaders, miners, tunnels."""
    INFO = "info"
    """Rules that only inform: policy, hunting, fingerprints. They report and never act."""
