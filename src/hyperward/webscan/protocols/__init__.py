"""What clients say first: HTTP heads, TLS ClientHellos, QUIC Initials, DNS queries. Bytes in, requests out."""
