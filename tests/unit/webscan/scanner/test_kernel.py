from hyperward.steering.layout import Flow, FlowKey, WebFlow, WebState
from hyperward.webscan.scanner.commands import FlowState
from hyperward.webscan.scanner.kernel import _ACK_TO_VM, _FIRST_NS, _FLAGS_TO_VM, WEB_FLOW


def test_places_in_the_structures_are_those_of_steering() -> None:
    flow = Flow(11, 2, 3, 4, 5, 6, 7, 0xFFFFFFF1, 0x02, 0x12, b"abcdef", b"ghijkl").pack()
    assert _FIRST_NS.unpack_from(flow)[0] == 11
    assert _ACK_TO_VM.unpack_from(flow)[0] == 0xFFFFFFF1
    assert flow[_FLAGS_TO_VM] == 0x12
    assert FlowKey.FORMAT.size == 44


def test_states_are_those_of_steering() -> None:
    assert {state.name: int(state) for state in WebState} == {
        state.name: int(state) for state in FlowState if state is not FlowState.UNKNOWN
    }
    packed = WebFlow(1, 2, WebState.DONE, expires_ns=9).pack()
    start, until, state, *_, expires = WEB_FLOW.unpack(packed)
    assert (start, until, state, expires) == (1, 2, 2, 9)
