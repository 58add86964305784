"""Writes the results of all lanes of a process together, in order, and repeats until they are durable."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from chat4all.model.events import Event
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.workspaces import space_at
from chat4all.ports import DeadLetter, Handle, Waiting
from chat4all.ports.holds import HeldKey
from chat4all.telemetry import logs, tracing
from tasks.outcomes.contact_facts import learn
from tasks.outcomes.delivery_metrics import bury, moved
from tasks.outcomes.events import as_one, learned, state_event, tell
from tasks.outcomes.legs import audible, take_over
from tasks.resources import Parts
from tasks.stages.receipts import apply_named, id_of, spoken_by

log = logs.logger(__name__)

# Between two writes: what comes meanwhile goes into the next one. Each costs a commit, whatever it carries.
GAP_S = 0.005
# The pauses of who waits an outage out: soon again after a hiccup, and seldom enough not to hinder a store that is coming back.
RETRY_S = (0.2, 0.5, 1.0, 2.0)

Result = TypeVar("Result")


class Tried(Struct, frozen=True):
    """An attempt was begun, or is known to have sent nothing. Readers are told nothing of it."""

    row: Delivery
    facts: Facts


class Sent(Struct, frozen=True):
    """The provider took it, at `at` (ms UTC). `handles`: the way back from the provider's ids: of an album there are several.

    `may_be_parked`: receipts may have come before the id was known. `spoken`: the conversation is the one that last wrote to
    this address. `aliases`: what else the provider calls the person, should these addresses be free.
    """

    row: Delivery
    facts: Facts
    at: int
    handles: Sequence[Handle] = ()
    may_be_parked: bool = False
    spoken: bool = False
    aliases: Sequence[Identity] = ()


class GivenUp(Struct, frozen=True):
    """We gave it up, at `at` (ms UTC). `letter`: none where somebody had withdrawn it."""

    row: Delivery
    facts: Facts
    at: int
    letter: DeadLetter | None


class Waits(Struct, frozen=True):
    """These keys wait; `held_keys`: those of them that are held until the person writes."""

    keys: Sequence[Waiting]
    held_keys: Sequence[HeldKey] = ()


class Resumed(Struct, frozen=True):
    """These keys wait no more; `held_keys`: those of them that had been held."""

    keys: Sequence[Waiting]
    held_keys: Sequence[HeldKey] = ()


Ended = Sent | GivenUp
Write = Tried | Ended | Waits | Resumed


class Writer:
    """Takes writes on its loop, and does them in a thread. An outage is waited out: facts are never dropped."""

    def __init__(self, parts: Parts, executor: Executor) -> None:
        self._parts, self._executor = parts, executor
        self._writes: list[tuple[Write, asyncio.Future[None]]] = []
        self._something = asyncio.Event()

    def write(self, write: Write) -> "asyncio.Future[None]":
        """Done when it is durable and its events are published. Writes are done in the order given.

        An attempt has no events, and its call does not wait for those of others. The sooner it is made, the seldomer a process
        dies between an attempt and its call, which nobody can tell from a call whose answer is lost.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.append((write, future))
        self._something.set()
        return future

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something.wait()
            # Whoever was woken by the same news says what it has to say first.
            await asyncio.sleep(0)
            self._something.clear()
            writes, self._writes = self._writes, []
            if writes:
                await self._settle(writes)
                await asyncio.sleep(GAP_S)

    async def _settle(self, writes: list[tuple[Write, "asyncio.Future[None]"]]) -> None:
        """Do them. Where the store refuses them together, each alone: only those that cannot be done fail."""
        asked = [write for write, _ in writes]
        durable = partial(_tell, asyncio.get_running_loop(), [future for write, future in writes if isinstance(write, Tried)])
        try:
            await insist(self._executor, lambda: write_all(self._parts, asked, durable), notes=len(asked))
        except Exception as error:
            if len(writes) > 1:
                for each in writes:
                    await self._settle([each])
                return
            [(write, future)] = writes
            log.exception("note_refused", **({} if isinstance(write, Waits | Resumed) else tracing.about(write.row)))
            if not future.done():
                future.set_exception(error)
            return
        _done(future for _, future in writes)


def _tell(loop: asyncio.AbstractEventLoop, futures: "Sequence[asyncio.Future[None]]") -> None:
    """From a thread. Where the loop has ended meanwhile nobody waits."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_done, futures)


def _done(futures: "Iterable[asyncio.Future[None]]") -> None:
    for each in futures:
        if not each.done():
            each.set_result(None)


async def insist(executor: Executor, work: Callable[[], Result], **about: int) -> Result:
    """Have this done by a thread, however often an outage comes between. It may have been done before it is done again."""
    tries = 0
    while True:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except (Temporary, Unknown) as outage:
            log.warning("commit_waits", reason=outage.reason, **about)
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1


def write_all(
    parts: Parts, writes: Sequence[Write], durable: Callable[[], object] = lambda: None, clock: Callable[[], int] = now_ms
) -> None:
    """All of these, facts before events; `durable` is called between. Repeating it changes nothing but repeats state events."""
    store = parts.store
    steps = [each for each in writes if isinstance(each, (Tried, Sent, GivenUp))]
    sent = [each for each in steps if isinstance(each, Sent)]
    facts: dict[DeliveryKey, Facts] = {}
    for each in steps:
        facts[each.row.key] = facts.get(each.row.key, Facts()).merged(each.facts)
    spoken = {_spoken_to(each.row): (spoken_by(each.row), each.at) for each in sent if each.spoken}
    handles = [handle for each in sent for handle in each.handles]
    now = clock()
    ended = [(each.row.seen(facts[each.row.key]), each.at) for each in steps if not isinstance(each, Tried)]
    events = [state_event(row, at, parts.partitions) for row, at in ended]
    # What is held is known before it waits, and until after it does.
    store.hold_keys([held_keys for each in writes if isinstance(each, Waits) for held_keys in each.held_keys])
    store.record(facts, handles, spoken, *last_words(writes), learned(events, now))
    durable()
    store.unhold_keys([held_keys for each in writes if isinstance(each, Resumed) for held_keys in each.held_keys])
    take_over(store, [row for row, _ in ended], now)
    aliases = [alias for each in sent for alias in each.aliases]
    if aliases:
        store.claim_addresses(aliases)
    if any(row.parts > 1 or row.legs > 1 for row, _ in ended):
        rows = [row for row in as_one(store, [row for row, _ in ended]) if row.facts.ended]
        times = {row.key: at for row, at in ended}
        events = [state_event(row, times.get(row.key, now), parts.partitions) for row in audible(store, rows)]
    learn(parts, [each.row.seen(each.facts) for each in steps if isinstance(each, GivenUp) and each.row.facts.attempts])
    bury(store, [each.letter for each in steps if isinstance(each, GivenUp) and each.letter and not each.row.has_next])
    moved((each.row, each.row.seen(each.facts)) for each in steps)
    tell(store, parts.log, events + _parked(parts, sent), now)


def _spoken_to(row: Delivery) -> tuple[str, str]:
    return space_at(row.conversation_id, row.key.lane.channel), row.address


def last_words(writes: Sequence[Write]) -> tuple[list[Waiting], list[Waiting]]:
    """Which keys wait and which no longer do, by the newest word about each."""
    last: dict[tuple[Lane, str, str, str], tuple[bool, Waiting]] = {}
    for write in writes:
        for each in write.keys if isinstance(write, (Waits, Resumed)) else ():
            key = (each.lane, each.conversation_id, each.address, each.account)
            if key not in last or last[key][1].stamp < each.stamp:
                last[key] = (isinstance(write, Waits), each)
    said = list(last.values())
    return [each for waits, each in said if waits], [each for waits, each in said if not waits]


def _parked(parts: Parts, sent: Sequence[Sent]) -> list[Event]:
    """Receipts that came before the provider's id was written: they are looked for after it was."""
    handles = [handle for each in sent if each.may_be_parked for handle in each.handles]
    keys = {(handle.channel, handle.account, handle.provider_id): handle.key for handle in handles}
    if not keys:
        return []
    return apply_named(parts, [(keys[id_of(each)], each) for each in parts.store.parked(list(keys))])
