"""Web Addresses Scan: canonical addresses, the database of dangerous ones, the inline scanner and what it answers."""
