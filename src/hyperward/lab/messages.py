"""What clients send, independent of the program that sends it."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for an HTTP/1.1 server. The target is sent as it is written here, `..` and all.

    In target, header values and body, `{attacker}` stands for the client's address in the form that URLs take.
    """

    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    """Sent with POST; without a body the method is GET."""
    port: int = 80

    def url(self, address: str) -> str:
        """Return the URL of this request at a server."""
        port = "" if self.port == 80 else f":{self.port}"  # noqa: PLR2004 - the port of http
        return f"http://{url_host(address)}{port}{self.target}"

    def for_attacker(self, address: str) -> "HttpRequest":
        """Return the request with the attacker's address filled in."""
        host = url_host(address)
        return replace(
            self,
            target=self.target.replace("{attacker}", host),
            headers=tuple((name, value.replace("{attacker}", host)) for name, value in self.headers),
            body=self.body.replace("{attacker}", host),
        )


@dataclass(frozen=True, slots=True)
class SshBanner:
    """The identification line (RFC 4253, 4.2) that an SSH client sends, without line end."""

    banner: str
    port: int = 22


def url_host(address: str) -> str:
    """Return an address as the host of a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address
