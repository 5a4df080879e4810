"""Web addresses in one canonical form, and the expressions under which a database may list them."""

from hyperward.webscan.address.errors import AddressError
from hyperward.webscan.address.heads import from_request
from hyperward.webscan.address.host import canonical_host
from hyperward.webscan.address.model import Address
from hyperward.webscan.address.prefixes import expressions, host_suffixes, path_prefixes
from hyperward.webscan.address.url import canonical

__all__ = [
    "Address",
    "AddressError",
    "canonical",
    "canonical_host",
    "expressions",
    "from_request",
    "host_suffixes",
    "path_prefixes",
]
