"""The answer to a DNS query that is blocked: no such name, or the address of a sinkhole. Pure."""

from ipaddress import IPv4Address, IPv6Address

from dns.exception import DNSException
from dns.flags import Flag
from dns.message import Message, QueryMessage, from_wire
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rrset import RRset, from_text

_TTL = 30  # seconds: a name that is taken off the list works again soon
_UDP_PAYLOAD = 1232  # bytes; the value that servers agreed on to avoid fragments
_HEADER = 12


def answer(query: bytes, *, sinkhole4: str = "", sinkhole6: str = "") -> bytes:
    """Return the message that answers a query which is blocked.

    The number, the questions and the flags RD and CD are those of the query; EDNS is answered when it was asked for.
    The name does not exist (NXDOMAIN, without a SOA, so that nobody keeps it) unless a sinkhole is given: then A and
    AAAA questions get its address, and others no data.

    Args:
        query: the message without the length that TCP puts before it.
        sinkhole4: IPv4 address in dotted form; empty for none.
        sinkhole6: IPv6 address; empty for none.

    Returns:
        The message; empty when `query` is too short to be one. FORMERR when its question cannot be read.

    Raises:
        ValueError: a sinkhole is no address of its kind.
    """
    addresses = {RdataType.A: sinkhole4 and str(IPv4Address(sinkhole4)),
                 RdataType.AAAA: sinkhole6 and str(IPv6Address(sinkhole6))}  # fmt: skip
    if len(query) < _HEADER:
        return b""
    asked = _read(query)
    response = QueryMessage(id=int.from_bytes(query[:2], "big"))
    response.flags = Flag.QR | Flag.RA | (Flag(int.from_bytes(query[2:4], "big")) & (Flag.RD | Flag.CD))
    if asked is None:
        response.set_rcode(Rcode.FORMERR)
        return response.to_wire()
    response.question = asked.question
    if asked.edns >= 0:
        response.use_edns(0, 0, _UDP_PAYLOAD)
    if not any(addresses.values()):
        response.set_rcode(Rcode.NXDOMAIN)
    else:
        response.answer = [found for question in asked.question if (found := _record(question, addresses))]
    return response.to_wire(max_size=65535)


def _read(query: bytes) -> Message | None:
    """Read the whole message, or else its questions; None when not even those can be read."""
    for only_questions in (False, True):
        try:
            return from_wire(query, question_only=only_questions, ignore_trailing=True, keyring=False)
        except (DNSException, ValueError):
            continue
    return None


def _record(question: RRset, addresses: dict[RdataType, str]) -> RRset | None:
    address = addresses.get(question.rdtype, "")
    if not address or question.rdclass != RdataClass.IN:
        return None
    return from_text(question.name, _TTL, question.rdclass, question.rdtype, address)
