"""Rule compiler: from Suricata rule files to the rule set of a tenant."""
