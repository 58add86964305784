"""The pure rules: what reaches a reader is once, in order and without a gap, whatever happens around it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.streaming.audience import Memberships, readers
from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from bridges.streaming.hub import Hub, Limits, Subscription
from chat4all.model.conversations import Conversation, ConversationType, Member, Membership
from chat4all.model.event_states import States
from chat4all.model.events import Event, decode
from chat4all.model.ids import public_event_id
from chat4all.model.records import Record
from chat4all.v1 import chat_pb2 as pb

# Bodies here are no events of the protocol, so they are never parsed for their names.
NAMED = pb.Event(id="named").SerializeToString()
quick = settings(max_examples=150)


def message(seq: int, partition: int = 0, size: int = 1) -> Event:
    return Event("message", f"talk-{partition}", partition, b"x" * size, at=seq, seq=seq, version=1, naming=NAMED)


def told(kind: str, number: int) -> Event:
    return Event(kind, "talk-0", 0, b"%d" % number, at=number, naming=NAMED)


def membership(*members: Member, version: int = 1, open_history: bool = False) -> Membership:
    talk = Conversation("talk", ConversationType.GROUP, "alice", 0, open_history=open_history)
    return Membership(talk, version, members)


# Delivery: a small model of log and store, driven in any order.

# publish: the next message is stored, then published. again: a stage runs once more over the last few.
# history: the reader asks for the next message of the past. live: the reader takes what waits. drop: the connection breaks.
ACTIONS = st.lists(st.sampled_from(["publish", "again", "history", "live", "drop", "state"]), max_size=80)


class Reader:
    """One user that reads a stream over broken connections, as `Sessions` does it."""

    def __init__(self, hub: Hub, stored: dict[int, list[int]]) -> None:
        self.hub = hub
        self.stored = stored
        self.got: list[tuple[int, int]] = []
        self.kept = ""
        self.connect()

    def connect(self) -> None:
        self.cursor = Cursor.decode(self.kept)
        self.subscription = self.hub.subscribe("alice", self.cursor.positions, lambda: None)
        self.plan()

    def plan(self) -> None:
        horizon = self.subscription.horizon
        self.past = [
            message(seq, partition)
            for partition, seqs in self.stored.items()
            for seq in sorted(seqs)
            if self.cursor.positions.get(partition, -1) < seq <= horizon.get(partition, -1)
        ]
        self.is_live = False

    def send(self, events: list[Event]) -> None:
        Frame(events, self.cursor).encoded()
        self.got += [(event.partition, event.seq) for event in events if event.seq >= 0]
        self.kept = self.cursor.encode()

    def history(self) -> None:
        if self.past:
            self.send([self.past.pop(0)])
        elif not self.is_live:
            for partition, seq in self.subscription.horizon.items():
                self.cursor.reach(partition, seq)
            if self.subscription.go_live(self.hub.highest):
                self.is_live = True
            else:
                self.plan()

    def live(self) -> None:
        if self.subscription.is_cut:
            self.drop()
        elif self.is_live:
            self.send(self.subscription.take(events=2))

    def drop(self) -> None:
        self.hub.unsubscribe(self.subscription)
        self.connect()

    def finish(self) -> None:
        for _ in range(500):
            self.history()
            self.live()


@quick
@given(ACTIONS, st.integers(2, 6), st.integers(0, 2))
def test_every_message_once_and_in_order(actions: list[str], room: int, published_before: int) -> None:
    """Whatever the order of publishing, reruns, full buffers and broken connections: no gap, no repeat, by seq."""
    hub = Hub({0: published_before - 1, 1: -1}, Limits(events=room))
    stored: dict[int, list[int]] = {0: list(range(published_before)), 1: []}
    seq = published_before
    published: list[Event] = []
    reader = Reader(hub, stored)
    for action in actions:
        if action == "publish":
            partition = seq % 2
            stored[partition].append(seq)
            published.append(message(seq, partition))
            hub.dispatch(published[-1], ["alice", "bob"])
            seq += 1
        elif action == "again":
            for event in published[-3:]:
                hub.dispatch(event, ["alice", "bob"])
        elif action == "state":
            hub.dispatch(told("state", seq), ["alice"])
        else:
            getattr(reader, action)()
    reader.finish()
    expected = {partition: sorted(seqs) for partition, seqs in stored.items()}
    assert {partition: [s for p, s in reader.got if p == partition] for partition in stored} == expected


@quick
@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_rerun_reaches_nobody_twice(seqs: list[int]) -> None:
    """Of messages published in any order of reruns a subscriber sees a rising sequence."""
    hub = Hub({0: -1})
    listening = hub.subscribe("alice", {}, lambda: None)
    listening.go_live(hub.highest)
    for seq in seqs:
        hub.dispatch(message(seq), ["alice"])
    got = [event.seq for event in listening.take()]
    assert got == sorted(set(got))
    assert got[-1:] == ([max(seqs)] if seqs else [])


def test_a_subscription_begins_between_two_events() -> None:
    """The horizon is what was dispatched; what follows comes to the buffer."""
    hub = Hub({0: 4})
    hub.dispatch(message(7), ["alice"])
    listening = hub.subscribe("alice", {}, lambda: None)
    hub.dispatch(message(9), ["alice"])
    assert listening.horizon == {0: 7}
    assert [event.seq for event in listening.take()] == [9]


def test_only_the_audience_hears() -> None:
    """Who is not in an event's audience gets nothing, and who left gets nothing more."""
    hub = Hub({})
    alice, bob = (hub.subscribe(name, {}, lambda: None) for name in ("alice", "bob"))
    hub.dispatch(message(1), ["alice"])
    hub.unsubscribe(alice)
    hub.unsubscribe(alice)
    hub.dispatch(message(2), ["alice", "bob"])
    assert [len(each.take()) for each in (alice, bob)] == [1, 1]
    assert hub.subscribers == 1


@quick
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=30))
def test_a_state_never_goes_back(said: list[tuple[str, int]]) -> None:
    """Whatever order states are published in, a reader is told no lower one of a delivery after a higher, and the highest."""
    hub = Hub({})
    subscription = hub.subscribe("alice", {}, lambda: None)
    for number, (about, rank) in enumerate(said):
        hub.dispatch(Event("state", "talk", 0, b"", at=number, subject=about, rank=rank), ["alice"])
    heard = subscription.take()
    for about in "ab":
        ranks = [each.rank for each in heard if each.about == about]
        assert ranks == sorted(ranks)
        assert max(ranks, default=-1) == max((rank for name, rank in said if name == about), default=-1)


def test_old_states_are_forgotten_first() -> None:
    """What is kept of deliveries is bounded."""
    states = States(most=2)
    for about in "abc":
        states.hear(Event("state", "talk", 0, b"", at=0, subject=about, rank=3))
    older = [Event("state", "talk", 0, b"", at=0, subject=about, rank=1) for about in "abc"]
    assert [states.are_news(each) for each in older] == [True, False, False]


def test_two_streams_of_one_user_both_hear() -> None:
    """A user may listen from several places."""
    hub = Hub({})
    both = [hub.subscribe("alice", {}, lambda: None) for _ in range(2)]
    hub.dispatch(message(1), ["alice"])
    assert [[event.seq for event in each.take()] for each in both] == [[1], [1]]


def test_what_a_reader_has_had_elsewhere_is_not_repeated() -> None:
    """A cursor from a server that was ahead of this one keeps its messages from coming twice."""
    hub = Hub({0: 3})
    listening = hub.subscribe("alice", {0: 5}, lambda: None)
    for seq in (4, 5, 6):
        hub.dispatch(message(seq), ["alice"])
    assert [event.seq for event in listening.take()] == [6]


def live(limits: Limits) -> tuple[Hub, Subscription, list[int]]:
    woken: list[int] = []
    hub = Hub({0: -1}, limits)
    listening = hub.subscribe("alice", {}, lambda: woken.append(1))
    assert listening.go_live(hub.highest)
    return hub, listening, woken


@pytest.mark.parametrize("limits", [Limits(events=3), Limits(octets=30)])
def test_a_live_reader_who_does_not_keep_up_is_cut_off(limits: Limits) -> None:
    """One event too many, or one byte, cuts off; nothing is kept for this reader any more, and it is woken to learn it."""
    hub, listening, woken = live(limits)
    for seq in range(4):
        hub.dispatch(message(seq, size=10), ["alice"])
    assert listening.is_cut
    assert listening.take() == []
    assert len(woken) == 4


def test_taking_makes_room() -> None:
    """Who keeps up is never cut off."""
    hub, listening, _ = live(Limits(events=3, octets=30))
    for seq in range(50):
        hub.dispatch(message(seq, size=10), ["alice"])
        assert [event.seq for event in listening.take()] == [seq]
    assert not listening.is_cut


def test_a_full_buffer_while_catching_up_costs_another_round() -> None:
    """Messages and states are let go and read from the store later; what only events tell stays."""
    hub = Hub({0: -1}, Limits(events=3))
    listening = hub.subscribe("alice", {}, lambda: None)
    for event in (message(0), told("rejected", 1), told("state", 2), message(3), message(4), told("position", 5)):
        hub.dispatch(event, ["alice"])
    assert not listening.go_live(hub.highest)
    assert listening.horizon == {0: 4}
    assert listening.go_live(hub.highest)
    assert [event.kind for event in listening.take()] == ["rejected"]
    assert not listening.is_cut


def test_a_step_is_bounded() -> None:
    """At most so many events, and about so many bytes, are taken at once."""
    hub, listening, _ = live(Limits())
    for seq in range(10):
        hub.dispatch(message(seq, size=100), ["alice"])
    assert len(listening.take(events=4)) == 4
    assert len(listening.take(octets=250)) == 3
    assert len(listening.take()) == 3


# Cursors.

POSITIONS = st.dictionaries(st.integers(0, 1023), st.integers(-1, 2**53), max_size=20)


@quick
@given(POSITIONS, st.integers(0, 2**45), st.text(max_size=20))
def test_a_cursor_comes_back_as_it_was(positions: dict[int, int], at: int, log: str) -> None:
    """Encoding and decoding change nothing, and the text goes into a URL or header as it is."""
    text = Cursor(positions, at, log).encode()
    assert Cursor.decode(text, log) == Cursor(positions, at, log)
    assert text.replace("-", "").replace("_", "").isalnum()


@quick
@given(st.text(max_size=60))
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    """Any text is a cursor or a ValueError, never anything else."""
    try:
        assert isinstance(Cursor.decode(text), Cursor)
    except ValueError:
        assert text


@pytest.mark.parametrize("text", ["x", "e30x!", "é", "bnVsbA", "WzFd", "x" * 70_000, Cursor(log="another").encode()])
def test_bad_cursors(text: str) -> None:
    """Not base64, not JSON, of another shape, too long, or of another log."""
    with pytest.raises(ValueError, match="cursor"):
        Cursor.decode(text, "this")


def test_a_frame_is_what_protobuf_would_make() -> None:
    """The bytes put together by hand are an Events message, for short and long events."""
    bodies = [pb.Event(event_id=str(size), rejected=pb.RejectedEvent(reason="r" * size)) for size in (0, 1, 127, 128, 40_000)]
    events = [Event("rejected", "talk", 1, each.SerializeToString(), at=9) for each in bodies]
    cursor = Cursor(log="log")
    frame = pb.Events.FromString(Frame(events, cursor, with_time=True).encoded())
    assert [each.id for each in frame.events] == [public_event_id("", each.event_id) for each in bodies]
    assert [pb.Event(event_id=each.event_id, rejected=each.rejected) for each in frame.events] == bodies
    assert frame.cursor == cursor.encode()
    assert cursor.at == 9


def test_each_event_has_the_cursor_after_it() -> None:
    """One by one, the cursor is never ahead of what was given."""
    step = Frame([message(3, 0), message(5, 1), message(4, 0)], Cursor())
    positions = [Cursor.decode(text).positions for _, text in step.each()]
    assert positions == [{0: 3}, {0: 3, 1: 5}, {0: 4, 1: 5}]


# Who may see what.

STAYS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.integers(0, 8)).filter(
        lambda stay: stay[2] == 0 or stay[2] > stay[1]
    ),
    max_size=8,
)


@quick
@given(STAYS, st.integers(1, 9), st.booleans())
def test_readers_are_those_who_may_read(stays: list[tuple[str, int, int]], version: int, open_history: bool) -> None:
    """The quick way to find a message's readers agrees with the rule for one reader."""
    known = membership(*(Member(*stay) for stay in stays), version=9, open_history=open_history)
    assert readers(known, version) == {name for name in "abc" if known.may_read(name, version)}


ALICE, BOB, CAROL = Member("alice", 1), Member("bob", 1, left=2), Member("carol", 2)


def event(kind: str, version: int = 0, user: str = "") -> Event:
    return Event(kind, "talk", 0, b"", at=0, seq=1 if kind == "message" else -1, version=version, user=user)


@pytest.mark.parametrize(
    ("kind", "version", "user", "audience"),
    [
        ("message", 1, "", {"alice", "bob"}),
        ("message", 2, "", {"alice", "carol"}),
        ("state", 0, "", {"alice", "carol"}),
        ("conversation", 2, "", {"alice", "bob", "carol"}),
        ("rejected", 0, "bob", {"bob"}),
        ("scheduled", 0, "bob", {"bob"}),
        ("file", 1, "", {"alice", "bob"}),
        ("file", 2, "", {"alice", "carol"}),
        ("file", 2, "bob", {"bob"}),
    ],
)
def test_audiences(kind: str, version: int, user: str, audience: set[str]) -> None:
    """Messages go by their version, the rest to who is there now; who was removed is told so; rejections to the sender."""
    known = Memberships()
    known.put([membership(ALICE, BOB, CAROL, version=2)], 0)
    assert set(known.audience(event(kind, version, user))) == audience


@pytest.mark.parametrize(("who", "audience"), [("alice", {"alice", "carol"}), ("bob", {"alice", "carol"}), ("crm", set())])
def test_how_far_who_answers_has_read_is_no_members_business(who: str, audience: set[str]) -> None:
    """A member's position is told to members, also of one who has left since; that of who never was one is not."""
    known = Memberships()
    known.put([membership(ALICE, BOB, CAROL, version=2)], 0)
    assert set(known.audience(Event("position", "talk", 0, b"", subject=who))) == audience


def test_what_is_sent_later_is_heard_by_its_sender_and_by_who_reads_everything() -> None:
    """Other members learn of it when it is said; so it is over REST."""
    known, hub = Memberships(), Hub({0: -1})
    known.put([membership(ALICE, CAROL, version=2)], 0)
    heard = {user: hub.subscribe(user, {}, lambda: None) for user in ("alice", "carol", None)}
    later = event("scheduled", user="alice")
    hub.dispatch(later, known.audience(later))
    assert {user: each.take() for user, each in heard.items()} == {"alice": [later], "carol": [], None: [later]}


def test_what_is_not_known_is_seen_by_nobody() -> None:
    """Without a membership there is no audience, rather than everybody."""
    assert not Memberships().audience(event("message", 1))


def test_when_a_membership_is_loaded_again() -> None:
    """Unknown, older than a message asks for, changed, or old by the clock; not for what needs no membership."""
    known = Memberships(fresh_ms=100)
    assert known.stale([event("message", 1)], 0) == {"talk"}
    known.put([membership(ALICE, BOB, version=1)], 0)
    assert known.stale([event("message", 1), event("state")], 100) == set()
    assert known.stale([event("message", 2)], 0) == {"talk"}
    assert known.stale([event("conversation")], 0) == {"talk"}
    assert known.stale([event("position")], 101) == {"talk"}
    assert known.stale([event("rejected", user="bob")], 999) == set()
    known.forget(["talk"])
    assert known.stale([event("state")], 0) == {"talk"}


def test_an_older_membership_does_not_replace_a_newer() -> None:
    """Loads that overtake each other leave the newest."""
    known = Memberships()
    known.put([membership(ALICE, BOB, CAROL, version=2)], 0)
    known.put([membership(ALICE, version=1)], 1)
    assert set(known.audience(event("state"))) == {"alice", "carol"}


def test_the_cache_is_bounded() -> None:
    """What was loaded longest ago is forgotten first."""
    known = Memberships(most=2)
    talks = [Membership(Conversation(name, ConversationType.GROUP, "alice", 0), 1, (ALICE,)) for name in "abc"]
    known.put(talks, 0)
    asked = [Event("state", name, 0, b"", at=0) for name in "abc"]
    assert [bool(known.audience(each)) for each in asked] == [False, True, True]


@pytest.mark.parametrize("headers", [{"kind": "message"}, {"kind": "message", "seq": "x", "version": "1"}])
def test_an_event_without_its_headers_is_unreadable(headers: dict[str, str]) -> None:
    """A message event that does not say its place is an error, not a guess."""
    with pytest.raises(ValueError):
        decode(Record("chat-events", 0, 0, "talk", b"", headers, 0))
