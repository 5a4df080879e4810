"""Hyperward: agentless network threat protection for virtual machines."""
