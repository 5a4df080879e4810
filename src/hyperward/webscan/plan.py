"""From the effective settings of a VM to what its scanner follows. Pure."""

from datetime import datetime
from ipaddress import ip_address

from hyperward.policy.actions import HelloAction, WebAction
from hyperward.policy.resolve import EffectiveSettings
from hyperward.policy.web import NXDOMAIN, WebAddresses
from hyperward.webscan.settings import WebScan


def web_plan(settings: EffectiveSettings | None, *, now: datetime) -> WebScan | None:
    """Return what Web Addresses Scan has to do; None when it is off or nothing is left for it to do.

    Args:
        settings: the effective settings of a VM; None for a VM that no policy covers.
        now: `never_block` rows that expired by then are left out; with a time zone.
    """
    if settings is None or not settings.web_addresses.enabled:
        return None
    web = settings.web_addresses
    categories = actions_of(web)
    protocols = web.protocols
    if not (protocols.http or protocols.tls or protocols.quic or protocols.dns):
        return None
    resets = protocols.tls and web.encrypted_client_hello is HelloAction.RESET
    if set(categories.values()) == {WebAction.OFF} and not resets:
        return None
    sinkhole = _sinkhole(web)
    return WebScan(
        categories=categories,
        never_block=tuple(
            dict.fromkeys(row.mask for row in web.never_block if row.expires is None or row.expires > now)
        ),
        http=protocols.http,
        tls=protocols.tls,
        quic=protocols.quic,
        dns=protocols.dns,
        encrypted_hello=web.encrypted_client_hello,
        block_page=web.block_page or "",
        contact=web.contact or "",
        sinkhole4=sinkhole.get(4, ""),
        sinkhole6=sinkhole.get(6, ""),
    )


def actions_of(web: WebAddresses) -> dict[str, WebAction]:
    """Return the action of every category, the operator's own too."""
    built_in = {name: getattr(web.categories, name) for name in type(web.categories).model_fields}
    return built_in | dict(sorted(web.own_categories.items()))


def _sinkhole(web: WebAddresses) -> dict[int, str]:
    if web.dns_answer == NXDOMAIN or isinstance(web.dns_answer, str):
        return {}
    return {ip_address(text).version: text for text in web.dns_answer}
