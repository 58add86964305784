"""Writes what the lanes of a process found out: together, in order, until it is durable."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from chat4all.model.events import Event
from chat4all.model.failures import Temporary, Unknown
from chat4all.ports import DeadLetter, Handle, Waiting
from chat4all.telemetry import logs, tracing
from tasks.outcomes.delivery_metrics import bury, moved
from tasks.outcomes.events import as_one, learned, state_event, tell
from tasks.resources import Parts
from tasks.stages.receipts import apply_named, id_of

log = logs.logger(__name__)

Address = tuple[str, str]
GAP_S = 0.005
RETRY_S = (0.2, 0.5, 1.0, 2.0)


class Note(Struct, frozen=True):
    """What one step of a lane wants kept. `facts` belong to `row`; `told`: readers hear of the row's state.

    `handle` needs a look at the receipts that came before it when `may_be_parked`. `asks`: whether the address is still the
    same user's, read after the write. `learnt`: other addresses of the row's user, should they be free.
    """

    row: Delivery | None = None
    facts: Facts = Facts()
    told: bool = False
    at: int = 0
    handle: Handle | None = None
    may_be_parked: bool = False
    spoken: bool = False
    waiting: Sequence[Waiting] = ()
    resumed: Sequence[Waiting] = ()
    letter: DeadLetter | None = None
    learnt: Sequence[Identity] = ()
    asks: Address | None = None


Owners = Mapping[Address, Identity]


class Committer:
    """Takes notes on its loop, writes them in a thread. An outage is waited out: facts are never dropped."""

    def __init__(self, parts: Parts, executor: Executor) -> None:
        self._parts, self._executor = parts, executor
        self._notes: list[tuple[Note, asyncio.Future[Owners]]] = []
        self._something = asyncio.Event()

    def commit(self, note: Note) -> "asyncio.Future[Owners]":
        """Done when the note is durable and its events are published. Notes are written in the order given."""
        future: asyncio.Future[Owners] = asyncio.get_running_loop().create_future()
        self._notes.append((note, future))
        self._something.set()
        return future

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something.wait()
            await asyncio.sleep(0)
            self._something.clear()
            notes, self._notes = self._notes, []
            if notes:
                await self._settle(notes)
                await asyncio.sleep(GAP_S)

    async def _settle(self, notes: list[tuple[Note, "asyncio.Future[Owners]"]]) -> None:
        try:
            owners = await self._written([note for note, _ in notes])
        except Exception as error:
            if len(notes) > 1:
                for each in notes:
                    await self._settle([each])
                return
            row = notes[0][0].row
            log.exception("note_refused", **(tracing.about(row) if row else {}))
            if not notes[0][1].done():
                notes[0][1].set_exception(error)
            return
        for _, future in notes:
            if not future.done():
                future.set_result(owners)

    async def _written(self, notes: list[Note]) -> Owners:
        tries = 0
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, write, self._parts, notes)
            except (Temporary, Unknown) as outage:
                log.warning("commit_waits", notes=len(notes), reason=outage.reason)
                await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
                tries += 1


def write(parts: Parts, notes: Sequence[Note]) -> Owners:
    """Everything in these notes, facts before events. Repeating it changes nothing but repeats state events."""
    store = parts.store
    facts: dict[DeliveryKey, Facts] = {}
    spoken: dict[Address, tuple[str, int]] = {}
    for note in notes:
        if note.row:
            key = note.row.key
            facts[key] = facts.get(key, Facts()).merged(note.facts)
            if note.spoken:
                spoken[key.lane.channel, note.row.address] = (note.row.conversation_id, note.at)
    handles = [note.handle for note in notes if note.handle]
    waiting, resumed = last_words(notes)
    now = now_ms()
    told = [(note.row.seen(facts[note.row.key]), note.at) for note in notes if note.told and note.row]
    events = [state_event(row, at, parts.partitions) for row, at in told]
    store.record(facts, handles, spoken, waiting, resumed, learned(events, now))
    learnt = [each for note in notes for each in note.learnt]
    if learnt:
        store.claim_addresses(learnt)
    if any(row.parts > 1 for row, _ in told):
        rows = as_one(store, [row for row, _ in told])
        events = [state_event(row, at, parts.partitions) for row, (_, at) in zip(rows, told, strict=True) if row.facts.ended]
    bury(store, [note.letter for note in notes if note.letter])
    moved((note.row, note.row.seen(note.facts)) for note in notes if note.row)
    tell(store, parts.log, events + _parked(parts, notes), now)
    asked = list({note.asks for note in notes if note.asks})
    return store.owners(asked) if asked else {}


def last_words(notes: Sequence[Note]) -> tuple[list[Waiting], list[Waiting]]:
    """Which keys wait and which no longer do, by the newest word about each."""
    last: dict[tuple[Lane, str, str], tuple[bool, Waiting]] = {}
    for note in notes:
        for waits, rows in ((True, note.waiting), (False, note.resumed)):
            for each in rows:
                key = (each.lane, each.conversation_id, each.address)
                if key not in last or last[key][1].stamp < each.stamp:
                    last[key] = (waits, each)
    said = list(last.values())
    return [each for waits, each in said if waits], [each for waits, each in said if not waits]


def _parked(parts: Parts, notes: Sequence[Note]) -> list[Event]:
    """Receipts that came before the provider's id was written: they are looked for after it was."""
    keys = {
        (note.handle.channel, note.handle.account, note.handle.provider_id): note.handle.key
        for note in notes
        if note.handle and note.may_be_parked
    }
    if not keys:
        return []
    return apply_named(parts, [(keys[id_of(each)], each) for each in parts.store.parked(list(keys))])
