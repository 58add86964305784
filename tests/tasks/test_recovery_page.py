"""A page of a recovery, whatever an endpoint answers: each event is told, in the order of its conversation."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from chat4all.model.events import Event
from chat4all.ports.webhooks import Recovery, Webhook
from tasks.webhooks.caller import Answer
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.recovery_page import AT_ONCE, RecoveryPage
from tasks.webhooks.schedule import TRIES
from tasks.webhooks.telling import Telling

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=20)


def telling(offset: int, talk: int) -> Telling:
    return Telling(Event("state", f"talk {talk}", 0, b"", offset=offset))


@settings(max_examples=60)
@given(EVENTS)
def test_all_are_told_in_order(events: list[tuple[int, int]]) -> None:
    """Each is refused so often, first; at the end the recovery stands at the end, and nobody heard an event twice."""
    page = [telling(offset, talk) for offset, (talk, _) in enumerate(events)]
    refusing = [times for _, times in events]
    heard: list[int] = []
    under_way: set[str] = set()

    async def call(_: Endpoint, said: Sequence[Telling], number: int, why: str) -> Answer:
        [event] = said
        assert why == "recovery"
        assert event.key not in under_way
        assert len(under_way) < AT_ONCE
        under_way.add(event.key)
        await asyncio.sleep(0)
        under_way.discard(event.key)
        refusing[event.offset] -= 1
        if refusing[event.offset] < 0:
            heard.append(event.offset)
            return Answer(200)
        return Answer(500, "status")

    async def run() -> Recovery:
        recovery, told = Recovery("r", "a", 0, 0, len(page)), set[int]()
        for _ in range(sum(refusing) + 2):
            step = RecoveryPage(recovery, Endpoint(Webhook("a", "http://localhost")), call, lambda: True, told)
            left = [each for each in page if each.offset >= recovery.position]
            recovery = step.where_it_stands(len(page), await step.tell(left), 1e-9)
        return recovery

    recovery = asyncio.run(run())
    assert (recovery.position, recovery.refusals) == (len(page), 0)
    assert sorted(heard) == list(range(len(page)))
    for talk in range(6):
        mine = [each for each in heard if events[each][0] == talk]
        assert mine == sorted(mine)


def test_an_endpoint_that_is_down_is_not_asked_for_all() -> None:
    """One conversation after the other is left as it is, and the recovery waits at its first event."""
    asked: list[int] = []
    endpoint = Endpoint(Webhook("a", "http://localhost"), down=1)

    async def call(there: Endpoint, said: Sequence[Telling], number: int, _: str) -> Answer:
        asked.append(said[0].offset)
        answer = Answer(500, "status")
        there.answered(answer)
        return answer

    async def run() -> Recovery:
        step = RecoveryPage(Recovery("r", "a", 0, 0, 50), endpoint, call, lambda: True, set())
        return step.where_it_stands(50, await step.tell([telling(each, each) for each in range(50)]), 1.0)

    recovery = asyncio.run(run())
    assert len(asked) <= AT_ONCE
    assert (recovery.position, recovery.refusals) == (0, 1)
    assert recovery.retry_at > 0


def test_what_had_all_its_tries_is_passed_over() -> None:
    """The next of its conversation is told."""

    async def call(_: Endpoint, said: Sequence[Telling], number: int, why: str) -> Answer:
        return Answer(500, "status") if said[0].offset == 0 else Answer(200)

    async def run() -> Recovery:
        recovery = Recovery("r", "a", 0, 0, 2, refusals=TRIES - 1)
        step = RecoveryPage(recovery, Endpoint(Webhook("a", "http://localhost")), call, lambda: True, set())
        return step.where_it_stands(2, await step.tell([telling(0, 1), telling(1, 1)]), 1.0)

    assert asyncio.run(run()).position == 2
