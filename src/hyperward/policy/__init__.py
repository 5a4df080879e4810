"""Policies: settings, defaults and their resolution to the effective settings of a VM. Pure, no I/O."""
