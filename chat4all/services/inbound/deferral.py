"""What must wait before it is accepted, because what it is about is not known yet: webhooks overtake each other and us.

It is kept in the store first, and looked at again and again (`tasks/waiting_updates.py`): no read is added to the way of
messages that wait for nothing. Three kinds wait (docs/decisions/waiting-updates.md):

- a reaction, an edit or a deletion, until the message that it is about is stored;
- a quote, for a moment, while a call to that very person is under way: its answer may bring the id that is quoted;
- an echo that may be of several calls under way, until these have their answers.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS
from chat4all.model.content import MODIFIERS, Answer
from chat4all.model.ids import first_message_id
from chat4all.ports import Deferred, Inbound, MessageStore, Update
from chat4all.services.inbound import echoes
from chat4all.services.inbound.echoes import OPEN, Echo
from chat4all.services.inbound.in_flight import under_way

Id = tuple[str, str, str]
TARGET, QUOTE, ECHO = "target", "quote", "echo"
FIRST_LOOK_MS = 1000
LOOKS_MOST_MS = 3_600_000
# For so long each kind waits. What the first of them waits for is looked for a day longer, after it was told without that.
WAITS_MS = {TARGET: 60_000, QUOTE: 5_000, ECHO: 600_000}
LATE_MS = DAY_MS
# What came of waiting, as the metric says it.
FOUND, GAVE_UP, LATE, NEVER = "found", "gave_up", "late", "never"


class Sorted(Struct, frozen=True):
    """Updates to accept now, and those that wait first."""

    updates: list[Update]
    waiting: list[Deferred]


class Looked(Struct, frozen=True):
    """What came of a look: `updates` to accept now, `again` to look at later, and by outcome how many wait no more."""

    updates: list[Update]
    again: list[Deferred]
    outcomes: list[tuple[str, str]]


class Deferral:
    """Decides what waits, and for how long."""

    def __init__(self, store: MessageStore, partitions: int) -> None:
        self._store, self._partitions = store, partitions

    def sort(self, updates: Sequence[Update], now: int) -> Sorted:
        """Which of these wait. Asks nothing where there are neither echoes nor modifiers nor quotes."""
        heard = self._echoes(updates)
        waiting = {id(each): why for each, why in heard if why}
        going = [each for each, why in heard if not why]
        waiting |= {id(each): why for each, why in self._pointing(going)}
        waits = [(each, waiting[id(each)]) for each, _ in heard if id(each) in waiting and isinstance(each, Inbound)]
        return Sorted(
            [each for each in going if id(each) not in waiting],
            [Deferred(each, now, now + FIRST_LOOK_MS, why) for each, why in waits],
        )

    def look(self, rows: Sequence[Deferred], now: int, done_ms: int) -> Looked:
        """Look whether what these wait for is known. `done_ms`: all that was appended before then has been stored."""
        updates: list[Update] = []
        again: list[Deferred] = []
        outcomes: list[tuple[str, str]] = []
        pointing = [each for each in rows if each.why != ECHO]
        heard = [each for each in rows if each.why == ECHO]
        words = echoes.decided(
            self._store, self._partitions, [Echo(each.update, each.since, _is_over(each, done_ms)) for each in heard]
        )
        for row, word in zip(heard, words, strict=True):
            if word == OPEN:
                again.append(_later(row, now))
                continue
            found = echoes.settled(row.update, word)
            outcomes.append((row.update.channel, echoes.COLLEAGUES if isinstance(found, Inbound) else echoes.OWN))
            if isinstance(found, Inbound) and _target(found):
                pointing.append(replace(row, why=TARGET))
            elif found:
                updates.append(found)
        known = _known(self._store, [each.update for each in pointing])
        for row in pointing:
            taken, more, outcome = _looked(row, _waited_for(row.update) in known, now, done_ms)
            updates += [taken] if taken else []
            again += [more] if more else []
            outcomes += [(row.update.channel, outcome)] if outcome else []
        return Looked(updates, again, outcomes)

    def _echoes(self, updates: Sequence[Update]) -> list[tuple[Update, str]]:
        """The updates with our own echoes as the receipts that they are, each with why it waits."""
        theirs = [each for each in updates if isinstance(each, Inbound) and each.is_echo]
        if not theirs:
            return [(each, "") for each in updates]
        words = dict(zip(map(id, theirs), echoes.decided(self._store, self._partitions, list(map(Echo, theirs))), strict=True))
        found: list[tuple[Update, str]] = []
        for each in updates:
            word = words.get(id(each))
            if word is None or not isinstance(each, Inbound):
                found.append((each, ""))
            elif word == OPEN:
                found.append((each, ECHO))
            elif settled := echoes.settled(each, word):
                found.append((settled, ""))
        return found

    def _pointing(self, updates: Sequence[Update]) -> list[tuple[Update, str]]:
        """Those that point at what is not known, and may become known soon."""
        asked: list[Inbound] = []
        here: set[Id] = set()
        for each in updates:
            if isinstance(each, Inbound):
                # What it is about comes before it in the same append.
                if _waited_for(each)[2] and _waited_for(each) not in here:
                    asked.append(each)
                if not _target(each) and not _quoted(each):
                    here.add(_named(each, each.provider_id))
        if not asked:
            return []
        known = _known(self._store, asked)
        unknown = [each for each in asked if _waited_for(each) not in known]
        quoting = [each for each in unknown if not _target(each)]
        hoping = self._awaited(quoting) if quoting else set()
        return [(each, TARGET if _target(each) else QUOTE) for each in unknown if _target(each) or id(each) in hoping]

    def _awaited(self, quoting: Sequence[Inbound]) -> set[int]:
        """Those whose writer somebody is writing to at this moment."""
        owners = self._store.owners(list({place for each in quoting for place in each.places}))
        whose = {id(each): next((owners[place].user_id for place in each.places if place in owners), "") for each in quoting}
        asked = {whose[id(each)]: each.places for each in quoting if whose[id(each)]}
        begun: Collection[str] = under_way(self._store, self._partitions, asked) if asked else ()
        return {id(each) for each in quoting if whose[id(each)] in begun}


def _known(store: MessageStore, pointing: Iterable[Inbound]) -> set[Id]:
    """What they are about, as far as it is known: it went out, or it came in. What is changed has its place, too."""
    changed: dict[Id, bool] = {}
    for each in pointing:
        changed[_waited_for(each)] = changed.get(_waited_for(each), False) or bool(_target(each))
    names = list(changed)
    if not names:
        return set()
    known: set[Id] = set(store.handles(names))
    left = [each for each in names if each not in known]
    arrived = store.arrived(left) if left else {}
    known.update(name for name in arrived if not changed[name])
    places = {
        name: (each.conversation_id, each.message_id or first_message_id(*name))
        for name, each in arrived.items()
        if changed[name]
    }
    stored: Mapping[tuple[str, str], object] = store.registered(list(set(places.values()))) if places else {}
    return known | {name for name, place in places.items() if place in stored}


def _looked(row: Deferred, is_known: bool, now: int, done_ms: int) -> tuple[Inbound | None, Deferred | None, str]:
    """What is accepted now of what points at something, what is looked at again, and in a word what came of waiting."""
    update = row.update
    if is_known:
        # It was told without its target: now it is said once more, of that.
        late = replace(update, provider_id=f"{update.provider_id}:late")
        return (late, None, LATE) if row.accepted else (update, None, FOUND)
    if row.accepted:
        return (None, None, NEVER) if done_ms - row.since > LATE_MS else (None, _later(row, now), "")
    if not _is_over(row, done_ms):
        return None, _later(row, now), ""
    more = _later(replace(row, accepted=True), now) if row.why == TARGET else None
    return update, more, GAVE_UP


def _is_over(row: Deferred, done_ms: int) -> bool:
    return done_ms - row.since > WAITS_MS[row.why]


def _later(row: Deferred, now: int) -> Deferred:
    """The next look: the longer it waits, the seldomer."""
    pause = min(max((now - row.since) // 4, FIRST_LOOK_MS), LOOKS_MOST_MS)
    return replace(row, look_at=now + pause)


def _target(inbound: Inbound) -> str:
    """The provider's id of the message that it changes; empty: it changes none."""
    is_modifier = isinstance(inbound.content, MODIFIERS) or bool(inbound.edits)
    return (inbound.about or inbound.edits) if is_modifier else ""


def _quoted(inbound: Inbound) -> str:
    """The provider's id of the message that it quotes. A press says itself what it answers."""
    return "" if inbound.is_echo or inbound.is_history or isinstance(inbound.content, Answer) else inbound.reply_to


def _waited_for(inbound: Inbound) -> Id:
    return _named(inbound, _target(inbound) or _quoted(inbound))


def _named(inbound: Inbound, name: str) -> Id:
    return inbound.channel, inbound.account, name
