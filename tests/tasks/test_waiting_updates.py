"""What comes before what it is about: reactions, edits, deletions, quotes, and echoes of several calls under way."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Deletion, Edit, Reaction, Text
from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.deliveries import Delivery, Facts, State, state
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message, seq_at
from chat4all.model.modifiers import Current, as_it_is_now
from chat4all.model.records import INCOMING, Range, read_message
from chat4all.ports import Handle, Inbound
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.dead_letters import scan
from chat4all.services.inbound.deferral import LATE_MS, WAITS_MS
from chat4all.services.inbound.intake import Arrivals
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY
from tasks.lanes.writer import Sent, write_all
from tasks.waiting_updates import WaitingUpdates
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, asked_anew, message, new_id, whatsapp, world

TALK, ANA = new_id("conversation", 1), whatsapp(1)
AT = 1_700_000_000_000
FOREVER_MS = 400 * DAY_MS


class Waiting:
    """A road with people who write to it, and somebody who looks at what waits."""

    def __init__(self, road: World) -> None:
        self.road = road
        self.arrivals = Arrivals(road.store, Acceptor(road.store, road.log, road.parts.settings, {"whatsapp": Fake()}))
        self._looking = WaitingUpdates(road.parts, asked_anew(road), self.arrivals)

    def brings(self, *updates: Inbound) -> None:
        """One webhook."""
        self.arrivals.accept_updates(updates)

    def look(self, after_ms: int = 0) -> None:
        """Look at all that waits, so long from now; then the stages run."""
        self.road.run()
        self._looking.look(self.waits(), now_ms() + after_ms)
        self.road.run()

    def waits(self) -> Sequence[Any]:
        return self.road.store.deferred(now_ms() + FOREVER_MS, 1000)

    def records(self) -> list[Message]:
        """The first record of each message in the log, by place."""
        found: dict[str, Message] = {}
        for partition, (first, end) in self.road.log.ends(INCOMING).items():
            for record in self.road.log.read(INCOMING, [Range(partition, first, end - 1)], 5) if end > first else ():
                found.setdefault(read_message(record).message_id, read_message(record).placed(seq_at(record.offset)))
        return list(found.values())

    def now(self, provider_id: str) -> Current:
        """The message that a provider calls so, as it is now."""
        [found] = [each for each in self.records() if each.origin and each.origin.provider_id == provider_id]
        place = (found.conversation_id, found.seq)
        return as_it_is_now(self.road.store.messages([place])[place], self.road.store.modifications([place]).get(place, ()))

    def sends(self, *texts: str) -> list[Delivery]:
        """Alice's words to Ana: each is in the middle of its call."""
        before = {row.key for row in self.road.rows()}
        self.road.say(*[message(TALK, each, each.partition("#")[0], to=[ANA]) for each in texts])
        self.road.run()
        rows = [row for row in self.road.rows() if row.key not in before]
        self.road.store.record({row.key: Facts(attempts=1, attempted_at=now_ms()) for row in rows})
        return rows

    def answered(self, row: Delivery, provider_id: str) -> None:
        """What the lane writes once the provider has answered."""
        at = now_ms()
        handle = Handle("whatsapp", "1", provider_id, row.key)
        write_all(self.road.parts, [Sent(row, Facts(sent_at=at, provider_id=provider_id), at, [handle], spoken=True)])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Waiting]:
    with world(tmp_path, partitions=2) as road:
        road.know(ANA)
        road.store.add_users([User("alice", UserKind.PERSON, 1), User(ANA.user_id, UserKind.CONTACT, 1)])
        road.store.add_conversations([(Conversation(TALK, ConversationType.PRIVATE, "alice", 1), ["alice", ANA.user_id])])
        yield Waiting(road)


def wrote(provider_id: str, text: str = "hello", at: int = AT, address: str = ANA.address, **more: Any) -> Inbound:
    return Inbound("whatsapp", "1", provider_id, address, text, at, **more)


def reacted(about: str, emoji: str = "👍", at: int = AT + 1, **more: Any) -> Inbound:
    return wrote(f"{about}:{emoji}:{at}", emoji or "-", at, content=Reaction("", emoji), about=about, **more)


def test_in_whatever_order_they_come_a_message_is_what_was_said_of_it_last(desk: Waiting) -> None:
    """A message, an edit of it, a reaction and that being taken back, in each of 24 orders: one record each, and one end."""
    orders = list(itertools.permutations(range(4)))
    for step in range(4):
        for number, order in enumerate(orders):
            address, mid = f"+55118{number:08d}", f"wamid.{number}"
            said = [
                wrote(mid, "as it was", AT, address),
                wrote(f"{mid}:edit", "[edited] mended", AT + 1, address, content=Edit(Text("mended")), about=mid, edits=mid),
                reacted(mid, "👍", AT + 2, address=address),
                reacted(mid, "", AT + 3, address=address),
            ]
            desk.brings(said[order[step]])
        desk.look()
    assert len(desk.records()) == 4 * len(orders)
    assert desk.waits() == []
    for number in range(len(orders)):
        assert desk.now(f"wamid.{number}") == Current(Text("mended"), (), AT + 1)


def test_a_reaction_that_overtakes_the_answer_to_our_call_is_about_what_we_sent(desk: Waiting) -> None:
    """Nothing is appended before the id is known, and then it stands at the message that it is about."""
    [row] = desk.sends("hello")
    before = desk.records()
    desk.brings(reacted("wamid.OUT"))
    desk.look()
    assert desk.records() == before
    desk.answered(row, "wamid.OUT")
    desk.look()
    [reaction] = [each for each in desk.records() if each not in before]
    assert reaction.payload == Reaction(row.message_id, "👍")
    assert reaction.conversation_id == TALK
    known = desk.road.store.modifications([(TALK, row.key.seq)])[TALK, row.key.seq]
    assert [each.content for each in known] == [Reaction(row.message_id, "👍")]
    desk.look(FOREVER_MS)
    assert len(desk.records()) == 2


def test_what_is_about_nothing_known_is_told_without_it_and_later_with_it(desk: Waiting) -> None:
    """After a minute, once, however often it is brought; where the message comes within a day it is about that after all."""
    for _ in range(2):
        desk.brings(reacted("wamid.LATE"))
    desk.look(WAITS_MS["target"] // 2)
    assert desk.records() == []
    desk.look(WAITS_MS["target"] + 1000)
    [told] = desk.records()
    assert desk.road.store.messages([(told.conversation_id, told.seq)])
    assert desk.road.store.modifications([(told.conversation_id, told.seq)]) == {}
    desk.look(LATE_MS // 2)
    assert len(desk.records()) == 1
    desk.brings(wrote("wamid.LATE"))
    desk.look(LATE_MS // 2)
    assert [each.emoji for each in desk.now("wamid.LATE").reactions] == ["👍"]
    assert desk.waits() == []


@pytest.mark.parametrize("minutes", [2, 60])
def test_new_words_and_a_reaction_that_were_told_without_their_message_are_its_own_once_it_is_there(
    desk: Waiting, minutes: int
) -> None:
    """Both came first and gave up; the look after the message shows both, not before a quarter of their age is over."""
    said = wrote("w:edit", "[edited] mended", AT + 1, content=Edit(Text("mended")), about="wamid.LATE", edits="wamid.LATE")
    desk.brings(said)
    desk.brings(reacted("wamid.LATE", at=AT + 2))
    desk.look(minutes * 60_000)
    assert len(desk.records()) == 2
    desk.brings(wrote("wamid.LATE", "as it was"))
    desk.road.run()
    pauses = {each.look_at - each.since for each in desk.waits()}
    assert min(pauses) >= minutes * 60_000 * 5 // 4
    desk.look(minutes * 120_000)
    found = desk.now("wamid.LATE")
    assert (found.payload, [each.emoji for each in found.reactions]) == (Text("mended"), ["👍"])
    assert desk.waits() == []


def test_who_waited_for_a_day_waits_no_more(desk: Waiting) -> None:
    """It stays as it was told."""
    desk.brings(wrote("p:deleted", "[deleted]", content=Deletion(""), about="nobody's"))
    desk.look(WAITS_MS["target"] + 1000)
    desk.look(LATE_MS + 1000)
    assert desk.waits() == []
    assert [type(each.payload) for each in desk.records()] == [Deletion]


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"channel": "whatsapp", **labels}) or 0.0


def test_who_waits_and_what_came_of_it_is_counted(desk: Waiting) -> None:
    """By what it waited for, and by how that ended."""
    outcomes = ("found", "gave_up", "late", "never")
    waited = _value("chat4all_deferred_updates_total", why="target")
    before = [_value("chat4all_deferred_ended_total", outcome=each) for each in outcomes]
    for each in ("wamid.1", "wamid.2", "nobody's"):
        desk.brings(reacted(each))
    desk.brings(wrote("wamid.1"))
    desk.look()
    desk.look(WAITS_MS["target"] + 1000)
    desk.brings(wrote("wamid.2"))
    desk.look(LATE_MS // 2)
    desk.look(LATE_MS + 1000)
    assert _value("chat4all_deferred_updates_total", why="target") == waited + 3
    after = [_value("chat4all_deferred_ended_total", outcome=each) for each in outcomes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 2, 1, 1]


def test_while_the_pipeline_is_behind_nobody_gives_up(desk: Waiting) -> None:
    """The message is in the log and no stage has seen it: hours later what is about it still waits, and then finds it."""
    desk.brings(wrote("wamid.1"))
    desk.brings(reacted("wamid.1"))
    waiting = WaitingUpdates(desk.road.parts, asked_anew(desk.road), desk.arrivals)
    for hours in (1, 5, 30):
        waiting.look(desk.waits(), now_ms() + hours * 3_600_000)
        assert len(desk.records()) == 1
    desk.look(30 * 3_600_000)
    assert [each.emoji for each in desk.now("wamid.1").reactions] == ["👍"]


def test_what_comes_in_one_webhook_with_its_message_does_not_wait(desk: Waiting) -> None:
    """The message is before it in the same append. The other way round it waits for a moment."""
    desk.brings(wrote("wamid.1"), reacted("wamid.1"))
    assert desk.waits() == []
    desk.brings(reacted("wamid.2"), wrote("wamid.2"))
    desk.look()
    for each in ("wamid.1", "wamid.2"):
        assert [found.emoji for found in desk.now(each).reactions] == ["👍"]


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_quote_waits_for_a_call_that_is_under_way(desk: Waiting, is_answered: bool) -> None:
    """For a few seconds: then it goes on without what it quotes."""
    [row] = desk.sends("hello")
    desk.brings(wrote("wamid.IN", "yes", reply_to="wamid.OUT"))
    desk.look()
    assert len(desk.records()) == 1
    if is_answered:
        desk.answered(row, "wamid.OUT")
    desk.look(WAITS_MS["quote"] + 1000)
    assert [each.reply_to for each in desk.records()] == ["", row.message_id if is_answered else ""]
    assert desk.waits() == []


def test_a_quote_of_what_nobody_knows_does_not_wait(desk: Waiting) -> None:
    """Nothing is under way to its writer whose answer could bring the id."""
    [row] = desk.sends("hello")
    desk.answered(row, "wamid.OUT")
    desk.brings(wrote("wamid.IN", "yes", reply_to="of long ago"))
    assert [each.payload.as_text() for each in desk.records()] == ["hello", "yes"]
    assert desk.waits() == []


def test_what_waits_for_nothing_is_asked_about_by_nobody(desk: Waiting) -> None:
    """Words, without a quote, of whoever: nothing more is read or written for them than before."""
    for name in ("handles", "registered", "deferred", "defer", "lanes"):
        desk.road.faults.fail(name, AssertionError(name))
    desk.road.faults.answer("registered", lambda _: {})
    desk.brings(*[wrote(f"wamid.{number}") for number in range(3)])
    assert len(desk.records()) == 3


def echo(provider_id: str, text: str = "ok") -> Inbound:
    return wrote(provider_id, text, now_ms(), is_echo=True)


@pytest.mark.parametrize("order", list(itertools.permutations(["A", "B", "colleague"])), ids="-".join)
@pytest.mark.parametrize("answers", ["AB", "BA"])
def test_echoes_of_the_same_words_are_told_apart_by_the_answers(desk: Waiting, order: Sequence[str], answers: str) -> None:
    """Two calls under way with the words that a colleague sends, too: hers is shown once, and ours never."""
    rows = dict(zip("AB", desk.sends("ok#1", "ok#2"), strict=True))
    for each in order:
        desk.brings(echo(each))
        desk.brings(echo(each))
    desk.look()
    assert len(desk.records()) == 2
    for each in answers:
        desk.answered(rows[each], each)
        desk.look()
    told = [each for each in desk.records() if each.origin]
    assert [each.origin.provider_id for each in told if each.origin] == ["colleague"]
    assert [state(row.facts) for row in desk.road.rows()] == [State.SENT, State.SENT]
    desk.look(WAITS_MS["echo"] + 1000)
    assert len(desk.records()) == 3
    assert desk.waits() == []


def test_echoes_of_calls_whose_answers_never_come_are_of_these_calls(desk: Waiting) -> None:
    """Each is of another of them: both are known to have been sent, and under which id."""
    rows = desk.sends("ok#1", "ok#2")
    desk.brings(echo("e1"))
    desk.brings(echo("e2"))
    desk.look()
    assert len(desk.waits()) == 2
    desk.look(WAITS_MS["echo"] + 1000)
    desk.road.receive()
    kept = desk.road.store.handles([("whatsapp", "1", "e1"), ("whatsapp", "1", "e2")])
    assert set(kept.values()) == {row.key for row in rows}
    assert len(desk.records()) == 2
    assert desk.waits() == []


def test_a_colleagues_words_are_not_those_of_a_call_that_was_lost_once(desk: Waiting) -> None:
    """That one was repeated and answered long before: what comes now is a colleague's."""
    [row] = desk.sends("ok")
    long_ago = now_ms() - 3_600_000
    desk.road.store.record({row.key: Facts(attempts=2, resends=1, sent_at=long_ago, provider_id="A")})
    desk.brings(echo("colleague"))
    assert [each.origin.provider_id for each in desk.records() if each.origin] == ["colleague"]


def test_an_outage_leaves_what_waits(desk: Waiting) -> None:
    """Nothing was appended, and nothing is forgotten: the next look finds it."""
    [row] = desk.sends("hello")
    desk.brings(reacted("wamid.OUT"))
    desk.answered(row, "wamid.OUT")
    with desk.road.log_faults.instead("append", failing(Temporary("log"))), pytest.raises(Temporary):
        desk.look()
    assert len(desk.waits()) == 1
    desk.look()
    assert len(desk.records()) == 2


def failing(failure: Exception) -> Any:
    def fails(*_: object, **__: object) -> None:
        raise failure

    return fails


def test_what_cannot_be_accepted_is_kept_in_a_letter_and_keeps_nobody_away(desk: Waiting) -> None:
    """The others with it are accepted; its words are with the letter."""
    bad = reacted("wamid.1")
    desk.brings(bad)
    desk.brings(reacted("wamid.2"))
    desk.brings(wrote("wamid.1"), wrote("wamid.2"))
    desk.road.run()
    append = desk.road.log.append

    def refusing(records: Sequence[Any], *more: Any) -> Any:
        if any(b"wamid.1:" in each.value for each in records):
            raise ValueError("broken")
        return append(records, *more)

    with desk.road.log_faults.instead("append", refusing):
        desk.look()
    assert [each.emoji for each in desk.now("wamid.2").reactions] == ["👍"]
    [letter] = scan(desk.road.store, 0, now_ms() + 1)
    assert letter.reason == "not_accepted"
    kept = desk.road.store.kept_webhook(letter.letter_id)
    assert kept is not None
    assert msgspec.json.decode(kept[1], type=Inbound) == bad
    assert desk.waits() == []


def test_the_sweep_looks_in_a_thread_of_its_own_and_says_how_far_it_is_behind(desk: Waiting) -> None:
    """Nothing begins where nothing is due; what should have been looked at a minute ago is a minute behind."""
    looking = WaitingUpdates(desk.road.parts, asked_anew(desk.road), desk.arrivals)
    assert looking.sweep() is None
    assert READERS[metrics.DEFERRED_BEHIND]() == {(): 0.0}
    desk.brings(wrote("wamid.1"))
    desk.brings(reacted("wamid.1"))
    desk.road.run()
    [row] = desk.waits()
    desk.road.store.defer([replace(row, look_at=row.look_at - 61_000)])
    desk.road.store.forget_deferred([row])
    thread = looking.sweep()
    assert thread is not None
    thread.join(20)
    assert 55 < READERS[metrics.DEFERRED_BEHIND]()[()] < 90
    desk.road.run()
    assert [each.emoji for each in desk.now("wamid.1").reactions] == ["👍"]
    assert desk.waits() == []


def test_a_process_that_looks_opens_what_it_needs_by_itself(desk: Waiting) -> None:
    """As a worker does, from its settings."""
    desk.brings(wrote("wamid.1"))
    desk.brings(reacted("wamid.1"))
    desk.road.run()
    WaitingUpdates(desk.road.parts, asked_anew(desk.road)).look(desk.waits(), now_ms())
    assert len(desk.records()) == 2
