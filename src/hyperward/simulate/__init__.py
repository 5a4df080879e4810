"""Dry run of a policy over a capture file: what it would have blocked, reported and passed."""
