import asyncio
from ipaddress import ip_address

from hyperward.response.inject import StubInjector
from hyperward.response.terminate import AGAIN_SECONDS, Connection, Terminator, mapped
from hyperward.steering.layout import Flow, FlowKey
from unit_tables import DictTable

CONNECTION = Connection(7, 14, ip_address("10.0.0.1"), 80, ip_address("10.0.0.9"), 40000)
FLOW = Flow(1, 2, 3, 4, 5, 6, 111, 222, 0x12, 0x10, b"\x02" * 6, b"\x04" * 6)


def test_both_ends_are_reset_at_once_and_again_later() -> None:
    async def scenario() -> StubInjector:
        flows, injector = DictTable[FlowKey, Flow](), StubInjector()
        flows.set(CONNECTION.key(), FLOW)
        terminator = Terminator(flows, injector)
        assert terminator.terminate(CONNECTION)
        assert (len(injector.vm), len(injector.network)) == (1, 1)
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(AGAIN_SECONDS[-1] + 0.05, done.set_result, None)
        await done
        return injector

    injector = asyncio.run(scenario())
    assert (len(injector.vm), len(injector.network)) == (3, 3)


def test_unknown_connection_is_said_and_nothing_is_sent() -> None:
    async def scenario() -> None:
        injector = StubInjector()
        terminator = Terminator(DictTable[FlowKey, Flow](), injector)
        assert not terminator.terminate(CONNECTION)
        assert not injector.vm
        terminator.close()

    asyncio.run(scenario())


def test_addresses_are_kept_in_sixteen_bytes() -> None:
    assert mapped(ip_address("10.0.0.1")) == b"\0" * 10 + b"\xff\xff\x0a\0\0\x01"
    assert mapped(ip_address("fd77::1")) == ip_address("fd77::1").packed
