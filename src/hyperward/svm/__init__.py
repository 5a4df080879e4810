"""The daemon: desired state (policies and inventory) to actual state (maps, tenants, engine)."""
