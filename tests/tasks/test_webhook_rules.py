"""The pure rules of outgoing webhooks, for all inputs: when is tried again, what is news, and in which order all is told."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.deliveries import Lane
from chat4all.model.event_examples import CONVERSATION, EXAMPLES
from chat4all.model.events import Event
from chat4all.model.forwarded import ProviderCall, forwarded_event
from chat4all.ports import Waiting
from chat4all.ports.webhooks import WEBHOOKS, Filter, Webhook
from chat4all.v1 import chat_pb2 as pb
from tasks.webhooks import schedule
from tasks.webhooks.bounds import Bounds
from tasks.webhooks.caller import Answer
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.listener import Listener
from tasks.webhooks.matching import Known, passes
from tasks.webhooks.repeats import Repeats
from tasks.webhooks.scan import Scan
from tasks.webhooks.telling import Telling

PARTS = st.floats(0, 1)
SCALES = st.floats(1e-6, 1)


@given(st.integers(1, 30), PARTS, SCALES, st.floats(0, 1e9))
def test_waits_are_those_of_the_specification(refusals: int, random: float, scale: float, asked_s: float) -> None:
    """Stretched by chance a little, by Retry-After up to a day, and over after the tenth try."""
    found = schedule.wait_s(refusals, random, scale, asked_s)
    if refusals >= schedule.TRIES:
        assert found is None
        return
    assert found is not None
    usual = schedule.WAITS_S[refusals - 1] * scale
    asked = min(asked_s, schedule.ASKED_MOST_S)
    assert max(usual, asked) <= found <= max(usual * (1 + schedule.JITTER), asked) * (1 + 1e-9)


def test_all_waits_together_are_three_days() -> None:
    """Ten tries; the whole of it is less than the five days after which an endpoint is disabled."""
    assert 75 <= schedule.WHOLE_S / schedule.HOUR_S < 76
    assert schedule.TRIES == 10
    assert schedule.WHOLE_S < schedule.GIVEN_UP_S


@given(st.integers(1, 1000), PARTS, SCALES)
def test_one_that_is_down_is_asked_every_few_minutes(refusals: int, random: float, scale: float) -> None:
    """Less and less often, but never more than six minutes apart."""
    found = schedule.probe_s(refusals, random, scale)
    assert 0 < found <= 6 * schedule.MINUTE_S * scale * (1 + 1e-9)
    assert schedule.probe_s(refusals + 1, random, scale) >= found


# By type, which filters an event like the examples passes: the field of the filter and what it may name.
GOES = {("channels", "whatsapp"), ("accounts", "1065"), ("accounts", "our-own")}
TALKS = {("conversations", CONVERSATION), ("labels", "vip")}
PASSED = {
    "message.accepted": GOES | TALKS,
    "message.updated": GOES | TALKS,
    "message.deleted": GOES | TALKS,
    "message.rejected": TALKS,
    "message.scheduled": TALKS,
    "delivery.updated": GOES | TALKS,
    "position.updated": TALKS,
    "conversation.created": TALKS,
    "conversation.members_changed": TALKS,
    "conversation.updated": TALKS,
    "note.accepted": TALKS,
    "note.updated": TALKS,
    "note.deleted": TALKS,
    "typing.updated": TALKS,
    "contact.created": set(),
    "contact.updated": set(),
    "contact.consent_changed": set(),
    "contact.merged": set(),
    "contact.unmerged": set(),
    "broadcast.updated": set(),
    "account.updated": GOES,
    "account.health_changed": GOES,
    "template.updated": set(),
    "file.updated": TALKS,
    "presence.updated": set(),
    "webhook.disabled": set(),
}
ASKED = GOES | TALKS | {("channels", "telegram"), ("accounts", "2"), ("conversations", "other"), ("labels", "new")}
KNOWN = Known({CONVERSATION: ("vip",)}, {"whatsapp": {"1065", "our-own"}, "telegram": {"2"}})


def test_the_table_of_filters_has_every_type() -> None:
    """One that is added must say what filters mean for it."""
    assert PASSED.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_filter_means_the_same_for_every_type(kind: str) -> None:
    """What comes and what goes by channel and account, all of a conversation by it and its labels; of several all must hold."""
    first = replace(EXAMPLES[kind][0], type="")
    passed = {one for one in ASKED if passes(Filter(**{one[0]: (one[1],)}), first, KNOWN)}
    assert passed == PASSED[kind]
    for one, two in product(ASKED, ASKED):
        both = Filter(**{one[0]: (one[1],)}) if one[0] == two[0] else Filter(**{one[0]: (one[1],), two[0]: (two[1],)})
        assert passes(both, first, KNOWN) == ({one} <= passed if one[0] == two[0] else {one, two} <= passed)


def test_what_came_is_of_the_account_that_it_names() -> None:
    """Also when its channel sends from another one by now. What nobody knows the account of passes no such filter."""
    came = pb.MessageEvent(origin=pb.Origin(channel="whatsapp", account="old"))
    event = Event("message", "c", 0, pb.Event(message=came).SerializeToString(), seq=1)
    assert passes(Filter(accounts=("old",)), event, KNOWN)
    assert not passes(Filter(accounts=("1065", "our-own")), event, KNOWN)
    assert not passes(Filter(accounts=("1065",)), state(0, 1, 1), Known())


def message(offset: int, seq: int) -> Event:
    return Event("message", "c", 0, pb.Event(event_id=f"m{seq}").SerializeToString(), seq=seq, offset=offset)


def state(offset: int, delivery: int, rank: int) -> Event:
    body = pb.Event(event_id=f"s{delivery}:{rank}").SerializeToString()
    return Event("state", "c", 0, body, subject=f"whatsapp:0:{delivery}:0", rank=rank, offset=offset)


SAID = st.lists(st.one_of(st.integers(0, 6), st.tuples(st.integers(0, 2), st.integers(0, 4))), max_size=25)


@given(SAID, st.integers(0, 25))
def test_what_is_told_is_the_same_whoever_holds_the_lane(said: list[Any], cut: int) -> None:
    """Whatever was published again, in any order: no state falls, no message comes twice, and the last word is the furthest.

    Another holder, who heard what came before the cut, tells what the first one would have told.
    """
    log = [message(n, each) if isinstance(each, int) else state(n, *each) for n, each in enumerate(said)]
    alone, first, second = Repeats(-1), Repeats(-1), Repeats(-1)
    told = [each for each in log if alone.is_news(each)]
    before = [each for each in log[:cut] if first.is_news(each)]
    for each in log[:cut]:
        second.hear(each)
    assert before + [each for each in log[cut:] if second.is_news(each)] == told
    seqs = [each.seq for each in told if each.seq >= 0]
    assert seqs == sorted(set(seqs))
    for about in {each.about for each in log if each.about}:
        ranks = [each.rank for each in told if each.about == about]
        assert ranks == sorted(set(ranks))
        assert ranks[-1] == max(each.rank for each in log if each.about == about)


class Hold:
    """A lane that is held until the process dies."""

    def __init__(self) -> None:
        self.is_held, self._stamp = True, 0

    def goes_on(self) -> bool:
        return self.is_held

    def valid(self) -> bool:
        return self.is_held

    def stamp(self) -> int:
        self._stamp += 1
        return self._stamp


class Clock:
    """Ten seconds later at each look."""

    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        self.at += 10_000
        return self.at


NOW = Clock()


class Died(Exception):
    """The process was killed in the middle of a call."""


ELSEWHERE = "elsewhere"


class Host:
    """A lane in memory. `rows` and what `cursor` says are durable; `answers` says which calls succeed, and when it dies.

    ELSEWHERE: another lane finds the endpoint down before this call.
    """

    scale = 1e-6
    # Little room, so that few events fill it.
    bounds = Bounds(in_memory=4, keys=2, page=3)

    def __init__(self, log: list[Telling], rows: dict[str, Waiting], cursor: int, answers: list[Any], batch: int = 1) -> None:
        self.log, self.rows, self.read, self.answers, self.batch = log, rows, cursor, answers, batch
        self.told: list[Telling] = []
        self.hold: Any = Hold()
        self._open: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> int:
        return NOW()

    def asks_s(self) -> float:
        """What is asked for with every other refusal."""
        return len(self.answers) % 2 / 1000

    @property
    def cursor(self) -> int:
        return min([self.read, *self._open])

    def begun(self, offset: int) -> None:
        self._open[offset] = self._open.get(offset, 0) + 1

    def done(self, offset: int) -> None:
        if not self.hold.valid():
            # Who has lost the lane moves no cursor.
            return
        self._open[offset] -= 1
        if not self._open[offset]:
            del self._open[offset]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def write(self, waiting: Iterable[Waiting], resumed: Iterable[Waiting] = ()) -> None:
        rows, gone = list(waiting), list(resumed)
        await asyncio.sleep(0)
        if self.hold.valid():
            self.rows |= {each.conversation_id: each for each in rows}
            for each in gone:
                self.rows.pop(each.conversation_id, None)

    async def tell(
        self, endpoint: Endpoint, events: Sequence[Telling], number: int, still: Callable[[], bool]
    ) -> Answer | None:
        assert 1 <= len(events) <= self.batch
        answer = self.answers.pop() if self.answers else True
        if answer is ELSEWHERE:
            endpoint.in_a_row = max(endpoint.in_a_row, 2)
        if not still():
            return None
        await asyncio.sleep(0)
        if answer is None:
            # They were told, and nobody knows.
            self.told += events
            self.hold.is_held = False
            raise Died
        if answer:
            self.told += events
        made = Answer(status=200 if answer else 500, asked_s=self.asks_s())
        endpoint.answered(made)
        return made

    async def give_up(self, endpoint: Endpoint, event: Telling, number: int, why: str) -> None:
        """It had all its tries: this counts as told."""
        self.told.append(event)

    async def repeats(self, position: int) -> Repeats:
        return Repeats(-1)

    async def page(self, position: int, end: int, listener: Listener, repeats: Repeats) -> tuple[list[Telling], int]:
        await asyncio.sleep(0)
        return self.log[position:end], end

    async def run(self) -> bool:
        """Until all is told and nothing waits (True), or it dies (False)."""
        webhook = Webhook("w", "https://shop.example/", batch=self.batch)
        listener = Listener(Endpoint(webhook, down=2), Lane(WEBHOOKS, 0), self)
        for name, row in self.rows.items():
            if name:
                listener.keys[name] = row
            else:
                listener.whole = row
        while self.hold.goes_on():
            if self.read < len(self.log):
                listener.offer(self.log[self.read])
                self.read += 1
            elif listener.is_idle and not self._tasks:
                return True
            if not listener.is_scanning:
                listener.hurry(self.now())
            if not listener.is_scanning and listener.is_due(self.now()):
                listener.is_scanning = True
                self.spawn(self._scan(listener))
            await asyncio.sleep(0)
            self._tasks = {each for each in self._tasks if not self._ended(each)}
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return False

    async def _scan(self, listener: Listener) -> None:
        try:
            await Scan(listener, self).run()
        finally:
            listener.is_scanning = False

    def _ended(self, task: "asyncio.Task[None]") -> bool:
        if task.done() and task.exception() and not isinstance(task.exception(), Died):
            raise task.exception()  # type: ignore[misc]
        return task.done()


# So many calls succeed, then so many fail; perhaps the holder dies in the next one, or the endpoint is found down elsewhere.
RUNS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans(), st.booleans()), max_size=10).map(
    lambda runs: [each for good, bad, *more in runs for each in [True] * good + [False] * bad + one_of(*more)]
)


def one_of(dies: bool, elsewhere: bool) -> list[object]:
    """What may come between."""
    return [None] * dies + [ELSEWHERE] * elsewhere


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=20),
    RUNS,
    st.sampled_from([1, 2, 4]),
)
# What fails on the last page a scan reads has a row before the one that stood for it goes: its holder dies in the next call.
@example([2, 1, 3, 1, 3, 1], [*[True] * 3, *[False] * 3, None, True, False, *[True] * 3, *[False] * 3], 1)
# What goes by itself goes before what follows it together with others.
@example([2, 3, 1, 1, 1], [True, *[False] * 3, True, *[False] * 3], 2)
# Another lane finds the endpoint down while this one reads on.
@example([0, 0, 3, 0, 0, 0, 1], [True, False, True, True, ELSEWHERE], 2)
def test_all_is_told_in_order_however_calls_end_and_whoever_dies(keys: list[int], answers: list[Any], batch: int) -> None:
    """Calls fail, endpoints go down, memory and rows run out, holders die in calls: what matters is the first time.

    Each event comes, and before all that follow it in its conversation; what waits at the end is nothing.
    """
    log = [Telling(Event("message", f"c{each}", 0, b"", seq=n, offset=n)) for n, each in enumerate(keys)]
    rows: dict[str, Waiting] = {}
    told: list[Telling] = []
    cursor, left = 0, list(answers)
    while True:
        host = Host(log, rows, cursor, left, batch)
        is_over = asyncio.run(asyncio.wait_for(host.run(), 20))
        told += host.told
        if is_over:
            break
        cursor = host.cursor
    assert rows == {}
    for key in {each.key for each in log}:
        firsts = list(dict.fromkeys(each.offset for each in told if each.key == key))
        assert firsts == [each.offset for each in log if each.key == key]


class Away(Host):
    """An endpoint that is not there for an hour, as the schedule of the specification sees it."""

    scale, bounds = 1.0, Bounds()
    refused = 0

    def __init__(self, log: list[Telling], batch: int) -> None:
        super().__init__(log, {}, 0, [], batch)
        self._clock = 0
        self.back_at = int(schedule.HOUR_S * 1000)

    def now(self) -> int:
        self._clock += 1_000
        return self._clock

    def asks_s(self) -> float:
        return 0

    async def tell(
        self, endpoint: Endpoint, events: Sequence[Telling], number: int, still: Callable[[], bool]
    ) -> Answer | None:
        is_away = self._clock < self.back_at
        self.answers = [not is_away]
        answer = await super().tell(endpoint, events, number, still)
        self.refused += bool(answer and not answer.is_told)
        return answer

    async def give_up(self, endpoint: Endpoint, event: Telling, number: int, why: str) -> None:
        raise AssertionError(f"{event.offset} was given up: {why}")


@pytest.mark.parametrize("batch", [1, 20])
def test_an_endpoint_that_was_away_for_an_hour_is_told_all_of_it(batch: int) -> None:
    """Each event once and in order in its conversation, soon after its return; while it was away it cost few calls."""
    log = [Telling(Event("message", f"c{n % 70}", 0, b"", seq=n, offset=n)) for n in range(1_000)]
    host = Away(log, batch)
    assert asyncio.run(asyncio.wait_for(host.run(), 30))
    assert host.rows == {}
    assert host.refused < 40
    assert host.back_at <= host.now() <= host.back_at + 10 * 60_000
    for key in {each.key for each in log}:
        assert [each for each in host.told if each.key == key] == [each for each in log if each.key == key]


def test_what_a_provider_sent_is_of_every_account_of_its_app() -> None:
    """However they are called; of no other, and of no conversation."""
    call = ProviderCall("whatsapp", "1065", {}, b"{}", ("1066",))
    event = forwarded_event(call, 1, 1)
    assert event is not None
    known = Known({}, {"whatsapp": {"whatsapp", "1065"}, "our-own": {"our-own", "1066"}, "third": {"third", "1067"}})
    asked = ("1065", "whatsapp", "1066", "our-own", "1067", "third")
    assert [passes(Filter(accounts=(each,)), event, known) for each in asked] == [True] * 4 + [False] * 2
    assert passes(Filter(channels=("whatsapp",)), event) and not passes(Filter(channels=("telegram",)), event)
    assert not passes(Filter(conversations=(CONVERSATION,)), event, known)


@pytest.mark.parametrize("asked_s", [0.0, 3600.0])
def test_what_waits_is_due_when_an_endpoint_is_back(asked_s: float) -> None:
    """Of whichever lane the call was that succeeded; not what it asked to leave for later."""
    endpoint, now = Endpoint(Webhook("w", "https://shop.example/"), down=2), NOW()
    listener = Listener(endpoint, Lane(WEBHOOKS, 0), Host([], {}, 0, []))
    event = Telling(Event("message", "c", 0, b"", seq=1, offset=1))
    listener.wait(event, 1, Answer(asked_s=asked_s))
    late = listener.keys["c"].retry_at
    assert late > now
    for answer in (Answer(status=500), Answer(status=500), Answer(status=200)):
        listener.hurry(now)
        assert listener.keys["c"].retry_at == late
        endpoint.answered(answer)
    listener.hurry(now)
    assert listener.keys["c"].retry_at == (late if asked_s else now)


SEVERAL = Known({}, {"whatsapp": {"whatsapp", "1065"}, "ours": {"ours", "4200"}})
GOES_BY = [
    (pb.Event(message=pb.MessageEvent(channels=["whatsapp"])), {"whatsapp", "1065"}),
    (pb.Event(message=pb.MessageEvent(channels=["whatsapp"], account_ids=["ours"])), {"ours", "4200"}),
    (
        pb.Event(message=pb.MessageEvent(channels=["whatsapp"], account_ids=["ours", "whatsapp"])),
        {*SEVERAL.accounts["whatsapp"], "ours", "4200"},
    ),
    (
        pb.Event(message=pb.MessageEvent(origin=pb.Origin(channel="whatsapp", account="4200", account_id="ours"))),
        {"ours", "4200"},
    ),
    (pb.Event(message=pb.MessageEvent(origin=pb.Origin(channel="whatsapp", account="1065"))), {"whatsapp", "1065"}),
    (pb.Event(state=pb.StateEvent(channel="whatsapp", account_id="ours")), {"ours", "4200"}),
    (pb.Event(state=pb.StateEvent(channel="whatsapp")), {"whatsapp", "1065"}),
]


@pytest.mark.parametrize(("said", "names"), GOES_BY)
def test_of_several_accounts_each_hears_its_own(said: pb.Event, names: set[str]) -> None:
    """By what we call it and by what the provider does; the environment's has its channel's name."""
    kind = said.WhichOneof("kind") or ""
    event = Event(kind, "c", 0, said.SerializeToString(), seq=1, subject="whatsapp:0:1:0" if kind == "state" else "")
    everybody = set().union(*SEVERAL.accounts.values())
    assert {name for name in everybody if passes(Filter(accounts=(name,)), event, SEVERAL)} == names
