"""The popular-host guard: no list of others blocks a whole site that everybody uses, or everybody's sites."""
