"""Routes in a world: what people were sent by which leg, with the provider, the lanes and the time under control."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Text
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.deliveries import Delivery, Facts, State, state
from chat4all.model.messages import Leg, Message, Recipient
from chat4all.model.records import ProviderReceipt
from chat4all.model.routes import of_legs
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import Handle
from chat4all.services.legs import begun_legs
from tasks.deferred_records import DeferredRunner
from tasks.follow_ups import LegReleaser
from tasks.lanes.outcome import letter_of
from tasks.lanes.writer import GivenUp, Sent, Tried, write_all
from tasks.outcomes.legs import LEG
from tests.tasks.world import World, message, new_id

TALK = new_id("conversation", 1)
WAYS = ("whatsapp", "telegram", "messenger")


def person(number: int, channel: str) -> Recipient:
    """Somebody's address on a channel."""
    return Recipient(f"contact-{number}", channel, f"{channel}-{number}")


def routed(number: int, *limits: tuple[str, int], to: int = 1, **more: Any) -> Message:
    """A message whose legs, all but the last, have to be so far within so many seconds; 0: until they failed."""
    ways = WAYS[: len(limits) + 1]
    legs = [Leg(until, 1000 * seconds) for until, seconds in limits] + [Leg()]
    route = [
        replace(leg, recipients=(person(to, way),) if place else ())
        for place, (leg, way) in enumerate(zip(legs, ways, strict=True))
    ]
    return message(TALK, number, f"message {number}", to=[person(to, ways[0])], route=tuple(route), **more)


class Routes:
    """What happens to the deliveries of a world, step by step."""

    def __init__(self, road: World) -> None:
        self.road = road

    def say(self, *messages: Message) -> None:
        """Accept these, and let the stages work."""
        self.road.say(*messages)
        self.road.run()

    def legs(self, number: int = 1) -> list[Delivery]:
        """The deliveries of a message so far, by leg."""
        said = self.road.store.places_of(new_id("message", TALK, number))[0]
        place = (TALK, said.seq)
        first = self.road.store.messages([place])[place]
        partition = next(iter(self.road.everything().ranges)).partition
        keys = [
            delivery_key(leg, slot, partition)
            for leg in (first, *begun_legs(self.road.store, [first])[place])
            for slot in slots(leg)
        ]
        rows = self.road.store.deliveries(keys)
        return [rows[key] for key in keys if key in rows]

    def states(self, number: int = 1) -> list[str]:
        """How far each leg is."""
        return [state(each.facts).value for each in self.legs(number)]

    def stands(self, number: int = 1) -> State:
        """How far its person is."""
        legs = self.legs(number)
        return of_legs([[each.facts] for each in legs], legs[0].legs)

    # What the holder of a lane does

    def begin(self, row: Delivery) -> bool:
        """Write an attempt, then look whether it is withdrawn: whether to call, as a holder does."""
        counted = row.facts.attempts - row.facts.refusals + row.overlaps
        begun = Facts(attempts=row.facts.attempts + 1, attempted_at=now_ms(), resends=counted)
        write_all(self.road.parts, [Tried(row, begun)])
        why = self.road.store.withdrawn([row.key])
        if why:
            self.give_up(row, why[row.key].reason)
        return not why

    def sent(self, row: Delivery) -> None:
        """The provider took it."""
        handle = Handle(row.key.lane.channel, "1", f"id-{row.key}", row.key)
        facts = Facts(sent_at=now_ms(), provider_id=handle.provider_id)
        write_all(self.road.parts, [Sent(row, facts, now_ms(), [handle])])

    def give_up(self, row: Delivery, why: str) -> None:
        """The provider refused it for good, or somebody withdrew it."""
        facts = Facts(refused_at=now_ms(), refused_reason=why)
        write_all(self.road.parts, [GivenUp(row, facts, now_ms(), letter_of(row, now_ms(), why))])

    def send(self, row: Delivery) -> None:
        """All of it."""
        if self.begin(row):
            self.sent(self.again(row))

    def again(self, row: Delivery) -> Delivery:
        """The row as it is now."""
        return self.road.store.deliveries([row.key])[row.key]

    def told(self, row: Delivery, kind: str, why: str = "") -> None:
        """A receipt."""
        self.road.report(ProviderReceipt(row.key.lane.channel, "1", f"id-{row.key}", kind, now_ms(), why, str(row.key)))
        self.road.receive()

    # Time

    def waiting(self) -> list[DeferredRecord]:
        """The legs that wait."""
        return self.road.store.open_records(LEG, 999)

    def due(self, at: int | None = None) -> None:
        """Let begin what is due by then, ms UTC; None: everything, as if its time had come."""
        self.due_of([each for each in self.waiting() if at is None or each.due_at <= at])

    def due_of(self, found: Sequence[DeferredRecord]) -> None:
        """Let these begin, as if their time had come."""
        DeferredRunner(self.road.parts, {LEG: LegReleaser(self.road.parts)}).release(
            LEG, [replace(each, due_at=0) for each in found]
        )
        self.road.run()

    def text(self, row: Delivery) -> str:
        """Its words."""
        assert isinstance(row.payload, Text)
        return row.payload.text

    def letters(self) -> int:
        """How many dead letters there are."""
        return len(self.road.store.dead_letters(f"{datetime.now(UTC):%Y-%m-%d}", 99))
