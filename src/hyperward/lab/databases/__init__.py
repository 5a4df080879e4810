"""Databases in the lab: a publisher with keys made on the spot, and the demo's update and rollback."""
