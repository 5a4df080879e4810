"""Intrusion Prevention: rule compiler and the Suricata engine."""
