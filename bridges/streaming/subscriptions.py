"""Which events each connected reader gets: once, in order, without a gap. Pure rules; no I/O, no clock, no threads.

Everything here runs on one thread. `Hub.dispatch` and `Hub.subscribe` do not wait, so a subscription begins between two
events, never inside one: all messages up to its horizon are history, all above it come to its buffer.
"""

import base64
import binascii
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from chat4all.model.conversations import Membership
from chat4all.model.events import Event

LONGEST_CURSOR = 65536


class Cursor(Struct, omit_defaults=True):
    """How far a reader has come: per partition the last message seq, and the time (ms UTC) of the last change told.

    A partition that is missing was not begun: there the reader's own delivered positions say where to go on.
    `log` is the identity of the log that the seqs belong to. `caught`: everything learned up to then was told; 0 in cursors
    of servers that did not keep what was learned when. `ahead`: how much later in partitions of which more was told since.
    `events`: where to go on in chat-events, in a stream of all conversations.
    """

    positions: dict[int, int] = msgspec.field(default_factory=dict, name="p")
    at: int = msgspec.field(default=0, name="t")
    log: str = msgspec.field(default="", name="l")
    caught: int = msgspec.field(default=0, name="c")
    ahead: dict[int, int] = msgspec.field(default_factory=dict, name="d")
    events: dict[int, int] = msgspec.field(default_factory=dict, name="e")

    def encode(self) -> str:
        """The opaque text that clients keep."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, log: str = "") -> "Cursor":
        """The cursor that `encode` wrote; a new one for the empty text.

        ValueError when it is none of ours, or belongs to another log: there its seqs mean other messages.
        """
        if not text:
            return cls(log=log)
        if len(text) > LONGEST_CURSOR:
            raise ValueError("the cursor is too long")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.json.decode(raw, type=cls)
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise ValueError("the cursor is not one of ours") from error
        if cursor.log != log:
            raise ValueError("the cursor belongs to another log")
        return cursor

    def reach(self, partition: int, seq: int) -> None:
        """All messages of this partition up to `seq` were sent."""
        self.positions[partition] = max(seq, self.positions.get(partition, -1))

    def tell(self, partition: int, at: int) -> None:
        """An event that was published at this time was told, and all before it in its partition."""
        self.at = max(self.at, at)
        if self.caught:
            self.ahead[partition] = max(at - self.caught, self.ahead.get(partition, 0))

    def catch_up(self, at: int) -> None:
        """Everything that was learned up to this time was told."""
        self.at = max(self.at, at)
        self.caught, self.ahead = at, {}

    def since(self, partition: int) -> int:
        """What was learned before this time was told."""
        return self.caught + self.ahead.get(partition, 0) if self.caught else self.at


class Step(Struct):
    """Events to send next, and the reader's cursor before them. Ask once, for `frame` or for `each`: both move the cursor.

    `with_time`: everything older than these has been told too, so their times count.
    """

    events: list[Event]
    cursor: Cursor
    with_time: bool = False

    def frame(self) -> bytes:
        """A serialised `Events`: the events' own bytes as field 1, the cursor after them as field 2. Nothing is parsed."""
        parts: list[bytes] = []
        for event in self.events:
            self._advance(event)
            parts += (b"\x0a", _varint(len(event.body)), event.body)
        text = self.cursor.encode().encode()
        parts += (b"\x12", _varint(len(text)), text)
        return b"".join(parts)

    def each(self) -> Iterator[tuple[Event, str]]:
        """Every event with the cursor after it."""
        for event in self.events:
            self._advance(event)
            yield event, self.cursor.encode()

    def _advance(self, event: Event) -> None:
        if event.seq >= 0:
            self.cursor.reach(event.partition, event.seq)
        if self.with_time:
            self.cursor.tell(event.partition, event.at)
        if self.cursor.events and event.offset >= 0:
            self.cursor.events[event.partition] = event.offset + 1


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def readers(membership: Membership, version: int) -> set[str]:
    """Everybody whom `Membership.may_read` lets read a message accepted at `version`, in one pass."""
    stays = [stay for stay in membership.members if not stay.left or version < stay.left]
    return {stay.user_id for stay in stays if membership.conversation.open_history or stay.joined <= version}


class Memberships:
    """What is known of conversations, at the version that events ask for. Bounded: what was loaded longest ago goes first."""

    def __init__(self, most: int = 50_000, fresh_ms: int = 60_000) -> None:
        self._known: dict[str, tuple[Membership, int]] = {}
        self._most = most
        self._fresh_ms = fresh_ms

    def stale(self, events: Iterable[Event], now_ms: int) -> set[str]:
        """The conversations to load before these events can be dispatched.

        A message says which version it needs; what else is told goes by what was known within `fresh_ms`.
        """
        return {event.conversation_id for event in events if self._is_stale(event, now_ms)}

    def _is_stale(self, event: Event, now_ms: int) -> bool:
        if event.user:
            return False
        membership, loaded_at = self._known.get(event.conversation_id, (None, 0))
        if membership is None or event.kind == "conversation":
            return True
        if event.kind == "message":
            return membership.version < event.version
        return now_ms - loaded_at > self._fresh_ms

    def put(self, memberships: Iterable[Membership], now_ms: int) -> None:
        """These were loaded at `now_ms`. An older version never replaces a newer one."""
        for membership in memberships:
            name = membership.conversation.conversation_id
            known = self._known.pop(name, None)
            newest = membership if known is None or known[0].version <= membership.version else known[0]
            self._known[name] = (newest, now_ms)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def forget(self, conversations: Iterable[str]) -> None:
        """These have changed while nobody listened."""
        for name in conversations:
            self._known.pop(name, None)

    def audience(self, event: Event) -> Collection[str]:
        """Who may see this event. Nobody when its conversation is not known."""
        if event.user:
            return (event.user,)
        if event.conversation_id not in self._known:
            return ()
        membership, _ = self._known[event.conversation_id]
        if event.kind == "message":
            return readers(membership, event.version)
        present = membership.now()
        if event.kind != "conversation":
            return present
        # Who was just removed learns it from the event that says so.
        return [*present, *(stay.user_id for stay in membership.members if stay.left == membership.version)]


class Limits(Struct, frozen=True):
    """What may wait for one subscriber."""

    events: int = 2_000
    octets: int = 4 << 20


class Subscription:
    """One reader's buffer. It begins by catching up: what the store keeps is then let go when the buffer is full, and
    read from the store in one more round. Once live, a full buffer means that the reader does not keep up: `is_cut`.

    `user`: None hears everything. `floor`: message seqs per partition that this reader has had. `wake` is called when there
    is something to take. `names`: the conversations to catch up in this round; None for all.
    """

    def __init__(
        self, user: str | None, floor: Mapping[int, int], horizon: dict[int, int], limits: Limits, wake: Callable[[], None]
    ):
        self.user = user
        self.horizon = horizon
        self.names: set[str] | None = None
        self.is_cut = False
        self._missed: set[str] = set()
        self._floor = dict(floor)
        self._limits = limits
        self._wake = wake
        self._waiting: deque[Event] = deque()
        self._octets = 0
        self._is_live = False
        self._has_spilled = False

    def offer(self, event: Event) -> None:
        """An event that this reader may see."""
        if self.is_cut:
            return
        if event.seq >= 0 and event.seq <= self._floor.get(event.partition, -1):
            return
        if not self._has_room(event) and not self._is_live:
            self._spill()
        if self._has_spilled and event.is_kept:
            self._missed.add(event.conversation_id)
            return
        if not self._has_room(event):
            self.is_cut = True
            self._waiting.clear()
        else:
            self._waiting.append(event)
            self._octets += len(event.body)
        self._wake()

    def _has_room(self, event: Event) -> bool:
        return len(self._waiting) < self._limits.events and self._octets + len(event.body) <= self._limits.octets

    def _spill(self) -> None:
        self._has_spilled = True
        self._missed.update(event.conversation_id for event in self._waiting if event.is_kept)
        self._waiting = deque(event for event in self._waiting if not event.is_kept)
        self._octets = sum(len(event.body) for event in self._waiting)

    def go_live(self, highest: Mapping[int, int]) -> bool:
        """What the store keeps was sent, messages up to the horizon. True: from here on the buffer has what follows.

        False: it had to let go of some; the horizon is now at `highest`, and `names` must be caught up to there first.
        """
        if self._has_spilled:
            self._has_spilled = False
            self.horizon = dict(highest)
            self.names, self._missed = self._missed, set()
        else:
            self._is_live = True
        return self._is_live

    def take(self, events: int = 500, octets: int = 256 << 10) -> list[Event]:
        """The next events, at most so many and about so large; empty when nothing waits."""
        taken: list[Event] = []
        while self._waiting and len(taken) < events and octets > 0:
            event = self._waiting.popleft()
            self._octets -= len(event.body)
            octets -= len(event.body)
            taken.append(event)
        return taken


class States:
    """How far deliveries and members have come, as this process has heard. Bounded: what was heard of longest ago goes first.

    Several processes publish these, so an older one may come after a newer: it is not told, for neither ever goes back.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._ranks: dict[str, tuple[int, int]] = {}
        self._most = most

    def hear(self, event: Event) -> None:
        """Whatever this says of a delivery or a member is true from now on."""
        if event.about:
            self.know(event.about, event.rank, event.further)

    def know(self, about: str, rank: int, further: int = 0) -> None:
        """This has come so far, or further."""
        known = self._ranks.pop(about, (0, 0))
        self._ranks[about] = (max(rank, known[0]), max(further, known[1]))
        if len(self._ranks) > self._most:
            del self._ranks[next(iter(self._ranks))]

    def knows(self, about: str) -> bool:
        """Whether anything was heard of this."""
        return about in self._ranks

    def are_news(self, event: Event) -> bool:
        """False for a state or position below one that was heard before."""
        rank, further = self._ranks.get(event.about, (0, 0))
        return event.rank >= rank and event.further >= further


class Hub:
    """All subscriptions of this process. `highest`: the highest message seq dispatched, per partition (-1: none).

    `events`: up to which offset chat-events was dispatched, per partition.
    """

    def __init__(
        self, highest: Mapping[int, int], limits: Limits | None = None, events: Mapping[int, int] | None = None
    ) -> None:
        self.states = States()
        self.highest = dict(highest)
        self.events = dict(events or {})
        self._limits = limits or Limits()
        self._by_user: dict[str | None, list[Subscription]] = {}

    @property
    def subscribers(self) -> int:
        """How many subscriptions there are."""
        return sum(map(len, self._by_user.values()))

    def subscribe(self, user: str | None, floor: Mapping[int, int], wake: Callable[[], None]) -> Subscription:
        """Begin to listen, from what is dispatched next on. The subscription's horizon is what was dispatched so far.

        `user`: None listens to everything.
        """
        subscription = Subscription(user, floor, dict(self.highest), self._limits, wake)
        self._by_user.setdefault(user, []).append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening. Safe to call twice."""
        mine = self._by_user.get(subscription.user, [])
        if subscription in mine:
            mine.remove(subscription)
        if not mine:
            self._by_user.pop(subscription.user, None)

    def is_repeat(self, event: Event) -> bool:
        """Whether this message was dispatched before. A rerun of a stage publishes its events again."""
        return event.seq >= 0 and event.seq <= self.highest.get(event.partition, -1)

    def dispatch(self, event: Event, audience: Collection[str]) -> None:
        """Hand an event to those of its audience who listen here. Repeats of messages, and old states, go to nobody."""
        if event.offset >= 0:
            self.events[event.partition] = event.offset + 1
        self.states.hear(event)
        if self.is_repeat(event) or not self.states.are_news(event):
            return
        if event.seq >= 0:
            self.highest[event.partition] = event.seq
        for user in (*audience, None):
            for subscription in self._by_user.get(user, ()):
                subscription.offer(event)
