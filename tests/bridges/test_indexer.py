"""The search index says what log and store say, however it was fed: live, again, from the store, with stops in between."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast, get_args
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridges.documents import documents_of, heard
from bridges.indexer import Bounds, Indexer
from bridges.newer import StoppedPartitions
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Content as AnyContent
from chat4all.model.content import Deletion, Edit, Media, Reaction, Text
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.events import encode
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message
from chat4all.model.modifiers import Modification
from chat4all.model.records import EVENTS, Range
from chat4all.model.search_terms import people_terms, terms
from chat4all.ports import Consumer, Search, SearchIndex
from chat4all.services.contacts.contact_events import ContactNews, renamed
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS
from storage.open import open_search
from tasks.outcomes import events
from tests.between import Between
from tests.bridges.road import PARTITIONS, Road
from tests.contents import contents
from tests.contracts.logs import wait_until

AT_ONCE = Bounds(0)


@pytest.fixture
def index(road: Road) -> Iterator[SearchIndex]:
    found = open_search(road.settings.model_copy(update={"search": "sqlite:search.db"}))
    assert found is not None
    found.migrate()
    yield found
    found.close()


def indexer(road: Road, index: SearchIndex, bounds: Bounds = AT_ONCE) -> Indexer:
    return Indexer(road.settings, road.log, road.store, index, bounds)


def feed(road: Road, index: SearchIndex, bounds: Bounds = AT_ONCE) -> Indexer:
    """Somebody who feeds it until there is nothing more, and ends."""
    feeding = indexer(road, index, bounds)
    feeding.begin()
    consumer = road.log.follow(EVENTS, feeding.state.positions)
    while feeding.step(consumer, StoppedPartitions(EVENTS, "indexer")):
        pass
    consumer.close()
    return feeding


def texts(index: SearchIndex, asked: str) -> list[int]:
    return [each.seq for each in index.find(Search(terms(asked), with_internal=True), 99, 5).found]


def told(road: Road, message: Message, content: AnyContent, **more: object) -> Message:
    """Something that is said of a message: stored, and published."""
    [placed] = road.accept(message.conversation_id, str(uuid4()))
    said = replace(placed, payload=content, **more)
    road.persist([said])
    if isinstance(content, Edit | Deletion | Reaction):
        road.store.put_modifications([Modification(message.conversation_id, message.seq, said.seq, now_ms(), content, "alice")])
    road.publish([said])
    return said


def test_live_messages_are_found(road: Road, index: SearchIndex) -> None:
    """Words, names of files, and notes, which are marked as such."""
    talk = road.conversation("talk", "alice", "bob")
    [hello] = road.say(talk, "hello there")
    note = told(road, hello, Text("hello, a note"), visibility="internal")
    file = told(road, hello, Media("f", "look", "invoice hello.pdf", "application/pdf"))
    feed(road, index)
    assert texts(index, "hello") == [file.seq, note.seq, hello.seq]
    assert [each.seq for each in index.find(Search(terms("hello")), 9, 5).found] == [file.seq, hello.seq]


def test_what_became_of_a_message_is_found(road: Road, index: SearchIndex) -> None:
    """An edit takes the place of the words, a deletion takes them away, a reaction is nothing to be found."""
    talk = road.conversation("talk", "alice", "bob")
    one, two = road.say(talk, "first words", "second words")
    feed(road, index)
    told(road, one, Edit(Text("other things"), one.message_id))
    told(road, two, Deletion(two.message_id))
    told(road, one, Reaction(one.message_id, "👍"))
    feed(road, index)
    assert (texts(index, "words"), texts(index, "things"), index.count()) == ([], [one.seq], 1)


def test_events_again_change_nothing(road: Road, index: SearchIndex) -> None:
    """A stage that ran twice publishes everything again: also what was deleted meanwhile."""
    talk = road.conversation("talk", "alice", "bob")
    said = road.say(talk, "one word", "another word")
    gone = told(road, said[0], Deletion(said[0].message_id))
    road.publish([*said, gone])
    feed(road, index)
    road.publish([*said, gone])
    feed(road, index)
    assert (texts(index, "word"), index.count()) == ([said[1].seq], 1)


def test_an_index_that_is_new_is_made_of_the_store(road: Road, index: SearchIndex) -> None:
    """What was said before it was switched on is found too, as it is now; afterwards it follows the log."""
    talk = road.conversation("talk", "alice", "bob")
    one, two, three = road.say(talk, "one word", "two word", "three word")
    told(road, one, Edit(Text("edited word"), one.message_id))
    told(road, two, Deletion(two.message_id))
    road.log.trim(EVENTS, now_ms() + 60_000)
    assert feed(road, index).state.building is None
    assert (texts(index, "word"), texts(index, "edited")) == ([three.seq, one.seq], [one.seq])
    [four] = road.say(talk, "four word")
    feed(road, index)
    assert texts(index, "word") == [four.seq, three.seq, one.seq]


def test_making_it_goes_on_where_it_stopped(road: Road, index: SearchIndex) -> None:
    """Killed between two conversations, and in the middle of one."""
    for talk in [road.conversation(name, "alice", "bob") for name in ("one", "two", "three")]:
        road.say(talk, *(f"word {number}" for number in range(5)))
    kills = 0
    while not index.feeding().is_complete:
        # Each conversation is three pages and its people.
        dying = Between(index)
        dying.answer("feed", killed_at(index, 5 + kills))
        try:
            feed(road, cast("SearchIndex", dying), Bounds(0, 1, 2))
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 2
    assert (len(texts(index, "word")), index.count()) == (15, 15)


def killed_at(index: SearchIndex, times: int) -> Callable[..., bool]:
    """Whoever feeds it is killed as they keep what they have for the so manieth time."""
    kept: list[object] = []

    def keep(*given: Any, **named: Any) -> bool:
        kept.append(given)
        if len(kept) >= times:
            raise KeyboardInterrupt
        return index.feed(*given, **named)

    return keep


def test_it_is_made_anew_when_somebody_wants_that(road: Road, index: SearchIndex) -> None:
    """By the store, with all that is there by now."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one word")
    feed(road, index)
    index.want_anew()
    feed(road, index)
    assert (len(texts(index, "word")), index.count()) == (1, 1)


def test_an_index_behind_the_log_is_made_anew(road: Road, index: SearchIndex) -> None:
    """It was off for longer than the log keeps events: what it missed is in the store."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one word")
    feed(road, index)
    road.say(talk, "two word", "three word")
    road.log.trim(EVENTS, now_ms() + 60_000)
    feeding = indexer(road, index)
    running = threading.Thread(target=feeding.run, daemon=True)
    running.start()
    try:
        wait_until(lambda: len(texts(index, "word")) == 3)
        road.say(talk, "four word")
        wait_until(lambda: len(texts(index, "word")) == 4)
        index.want_anew()
        wait_until(lambda: index.feeding().building is None and len(texts(index, "word")) == 4)
    finally:
        feeding.stopping.set()
        running.join(5)
    assert not running.is_alive()


class Busy(Indexer):
    """One to whom more always comes."""

    def step(self, consumer: Consumer, stopped: StoppedPartitions) -> int:
        return max(1, super().step(consumer, stopped))


def old(road: Road, talk: str, text: str) -> Message:
    """A message of three days ago, all the way."""
    [placed] = road.accept(talk, text)
    said = replace(placed, accepted_at=now_ms() - 3 * DAY_MS)
    road.persist([said])
    road.publish([said])
    return said


def test_what_outlived_its_time_is_forgotten_however_much_comes(road: Road, index: SearchIndex) -> None:
    """Where something comes all the time too; and the words leave the file when it is time to clean it."""
    talk = road.conversation("talk", "alice", "bob")
    old(road, talk, "word hemorrhoids")
    [new] = road.say(talk, "word today")
    feed(road, index)
    assert len(texts(index, "word")) == 2
    settings = road.settings.model_copy(update={"keep_messages_days": 2})
    feeding = Busy(settings, road.log, road.store, index, Bounds(0, first_tidy_s=0))
    running = threading.Thread(target=feeding.run, daemon=True)
    running.start()
    try:
        wait_until(lambda: texts(index, "word") == [new.seq])
    finally:
        feeding.stopping.set()
        running.join(5)
    assert not running.is_alive()
    index.tidy()
    index.close()
    kept = b"".join(path.read_bytes() for path in road.settings.data.glob("search.db*"))
    assert b"today" in kept
    assert b"hemorrhoid" not in kept


@pytest.mark.parametrize("anew", [False, True])
def test_what_is_erased_is_found_no_more(road: Road, index: SearchIndex, *, anew: bool) -> None:
    """A deleted message, a person without name and address: in the index that heard of it, and in one made anew."""
    store, talk = road.store, road.conversation("talk", "alice", "bob")
    store.add_users([User("c-9", UserKind.CONTACT, 1, "Maria Silva")])
    store.claim_addresses([Identity("whatsapp", "+5511999990000", "c-9", 1)])
    kept, gone = road.say(talk, "word kept", "word gone")
    feed(road, index)
    assert (texts(index, "word"), called(index, "maria"), called(index, "99999 0000")) == ([2, 1], ["c-9"], ["c-9"])
    told(road, gone, Deletion(gone.message_id))
    store.change_user("c-9", partial(_renamed, ""))
    store.release_address("whatsapp", "+5511999990000", "c-9")
    ContactNews(store, PARTITIONS).tell(road.log, renamed(store, ["c-9"]), 5)
    if anew:
        index.want_anew()
    feed(road, index)
    assert (texts(index, "word"), called(index, "maria"), called(index, "99999 0000")) == ([kept.seq], [], [])


def test_it_shows_how_far_it_is(road: Road, index: SearchIndex) -> None:
    """Records behind, messages in it, and whether it is being made."""
    feeding = indexer(road, index)
    feeding.show()
    assert (READERS[metrics.SEARCH_LAG](), READERS[metrics.SEARCH_BUILDING]()) == ({(): 0}, {(): 1})
    feeding.begin()
    road.say(road.conversation("talk", "alice", "bob"), "one word", "two word")
    assert (READERS[metrics.SEARCH_LAG](), READERS[metrics.SEARCH_BUILDING]()) == ({(): 2}, {(): 0})
    feed(road, index).show()
    assert (READERS[metrics.SEARCH_LAG](), READERS[metrics.SEARCH_DOCUMENTS]()) == ({(): 0}, {(): 2})


def test_an_outage_is_waited_for(road: Road, index: SearchIndex) -> None:
    """The store goes away and comes back: nothing is lost, and the process stays."""
    talk = road.conversation("talk", "alice", "bob")
    [one] = road.say(talk, "one word")
    feed(road, index)
    told(road, one, Edit(Text("edited word"), one.message_id))
    road.faults.fail("registered", Temporary("store"))
    with pytest.raises(Temporary):
        feed(road, index)
    road.faults.mend()
    feed(road, index)
    assert texts(index, "edited") == [one.seq]


def test_people_are_found(road: Road, index: SearchIndex) -> None:
    """Who is in a conversation, by name and address, and no inboxes or clients."""
    users = [User("ana", UserKind.PERSON, 1, "Ana Conceição"), User("whatsapp-inbox", UserKind.INBOX, 1, "Ana inbox")]
    road.store.add_users([*users, User("crm", UserKind.CLIENT, 1, "Ana client"), User("eve", UserKind.CONTACT, 1)])
    road.store.claim_addresses([Identity("whatsapp", "+5511999990000", "eve", 1)])
    talk = road.conversation("talk", "ana", "whatsapp-inbox", "crm", "eve")
    feed(road, index)
    assert [user for _, user in index.find_people(people_terms("ana"), 0, 9)] == ["ana"]
    assert [user for _, user in index.find_people(people_terms("99999 0000"), 0, 9)] == ["eve"]
    road.users("zoe")
    road.conversation("more", "zoe", "ana")
    road.tell_change(road.conversation("more", "zoe", "ana"))
    assert talk
    feed(road, index)
    assert [user for _, user in index.find_people(people_terms("zo"), 0, 9)] == ["zoe"]


def called(index: SearchIndex, asked: str) -> list[str]:
    """Who is called so."""
    return [user for _, user in index.find_people(people_terms(asked), 0, 9)]


def _renamed(name: str, there: User) -> User:
    return replace(there, display_name=name)


def test_contacts_of_the_directory_are_found(road: Road, index: SearchIndex) -> None:
    """Who never wrote too; by what they are called since they were changed, at once; and no more when they are nobody."""
    store = road.store
    store.add_users([User(f"contact-{number}", UserKind.CONTACT, 1, f"Maria {number}") for number in range(3)])
    store.claim_addresses([Identity("whatsapp", "+5511999990000", "contact-1", 1)])
    feed(road, index)
    assert called(index, "maria") == ["contact-0", "contact-1", "contact-2"]
    assert called(index, "9999 0000") == ["contact-1"]
    news = ContactNews(store, PARTITIONS)
    for user_id, name in (("contact-0", "Joana"), ("contact-1", "")):
        store.change_user(user_id, partial(_renamed, name))
        news.tell(road.log, renamed(store, [user_id]), 5)
    store.release_address("whatsapp", "+5511999990000", "contact-1")
    feed(road, index)
    assert (called(index, "maria"), called(index, "joana"), called(index, "9999 0000")) == (["contact-2"], ["contact-0"], [])


def test_what_cannot_be_read_is_passed_over(road: Road, index: SearchIndex) -> None:
    """It stops nobody."""
    talk = road.conversation("talk", "alice", "bob")
    [one] = road.say(talk, "one word")
    [event] = [encode(events.message_event(one, PARTITIONS))]
    road.log.append([replace(event, value=b"\xff\xff")], 5)
    [two] = road.say(talk, "two word")
    feed(road, index)
    assert texts(index, "word") == [two.seq, one.seq]


@hypothesis_settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents(*get_args(AnyContent)), st.booleans())
def test_an_event_and_the_store_say_the_same(road: Road, content: AnyContent, is_internal: bool) -> None:
    """Whichever way a message comes into the index, it is found by the same words, as the same type."""
    if getattr(content, "target", ""):
        return
    visibility = "internal" if is_internal else ""
    message = Message(str(uuid4()), str(uuid4()), "alice", content, 1, now_ms(), visibility=visibility).placed(7)
    record = encode(events.message_event(message, PARTITIONS))
    [offset] = road.log.append([record], 5)
    [read] = road.log.read(EVENTS, [Range(record.partition, offset, offset)], 5)
    [live] = heard([read]).documents
    [stored] = documents_of(road.store, [message])
    assert replace(live, is_new=False) == stored
