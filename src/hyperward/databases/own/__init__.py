"""Own lists and rules of the operator: checked like everybody else's, and never worse than the last good ones."""
