"""A web address in canonical form. Pure values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A web address in the Safe Browsing canonical form.

    Args:
        host: lower-case ASCII name without a dot at its ends, a dotted IPv4 address, or an IPv6 address without
            brackets.
        path: begins with `/`; percent-escaped once; empty when only a host is known (TLS, QUIC, DNS).
        query: what follows `?`, without it; None when there is no `?`.
        port: that was written down; None for the default one.
    """

    host: str
    path: str = "/"
    query: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """Return host, path and query as lists and events write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        query = "" if self.query is None else f"?{self.query}"
        return f"{host}{port}{self.path}{query}"
