from hyperward.steering.layout import Flow, FlowKey, WebFlow, WebState
from hyperward.webscan.scanner.commands import FlowState
from hyperward.webscan.scanner.kernel import FLOW, WEB_FLOW


def test_places_in_the_structures_are_those_of_steering() -> None:
    flow = Flow(1, 2, 3, 4, 5, 6, 7, 0xFFFFFFF1, 0x02, 0x12, b"abcdef", b"ghijkl", 3, 1, began_ns=2**63, syn=99)
    assert FLOW.unpack(flow.pack()) == (0xFFFFFFF1, 0x12, 1, 2**63, 99)
    assert FlowKey.FORMAT.size == 44


def test_states_are_those_of_steering() -> None:
    assert {state.name: int(state) for state in WebState} == {
        state.name: int(state) for state in FlowState if state is not FlowState.UNKNOWN
    }
    packed = WebFlow(1, 2, WebState.DONE, expires_ns=9, began_ns=8).pack()
    start, until, state, *_, expires, began = WEB_FLOW.unpack(packed)
    assert (start, until, state, expires, began) == (1, 2, 2, 9, 8)
