"""Which events each connected reader gets: once, in order, without a gap. Pure rules; no I/O, no clock, no threads.

Everything here runs on one thread. `Hub.dispatch` and `Hub.subscribe` do not wait, so a subscription begins between two
events, never inside one: all messages up to its horizon are history, all above it come to its buffer.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from chat4all.model.event_states import States
from chat4all.model.events import Event
from chat4all.model.workspaces import everybody

# Who has more than this before them is not told what is worth something for seconds.
PASSING_BEHIND = 100


class Limits(Struct, frozen=True):
    """What may wait for one subscriber."""

    events: int = 2_000
    octets: int = 4 << 20


class Subscription:
    """One reader's buffer. It begins by catching up: what the store keeps is then let go when the buffer is full, and
    read from the store in one more round. Once live, a full buffer means that the reader does not keep up: `is_cut`.

    `user`: None hears everything of the workspace `default`, `everything_of` another everything of that.
    `floor`: message seqs per partition that this reader has had. `wake` is called when there
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
        if event.is_passing and len(self._waiting) >= PASSING_BEHIND:
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

    @property
    def users(self) -> set[str]:
        """Who has a subscription of their own."""
        return {each for each in self._by_user if each is not None}

    def subscribe(self, user: str | None, floor: Mapping[int, int], wake: Callable[[], None]) -> Subscription:
        """Begin to listen, from what is dispatched next on. The subscription's horizon is what was dispatched so far.

        `user`: None listens to everything, as `Subscription` says.
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
        for user in (*audience, everybody(event.conversation_id or event.subject) or None):
            for subscription in self._by_user.get(user, ()):
                subscription.offer(event)
