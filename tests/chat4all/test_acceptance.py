"""Acceptance without a web framework: as the stream server uses it, and from many threads at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from chat4all.model.content import Text
from chat4all.model.conversations import User, UserKind
from chat4all.model.records import EVENTS, INCOMING, RECORD_MOST, STATUS, TOPICS, Range, read_message
from chat4all.ports import EventLog, Inbound, MessageStore
from chat4all.services.acceptance.acceptance import Accepted, Acceptor, Caller, Draft, Refused
from chat4all.services.inbound.intake import Arrivals
from chat4all.settings import Settings
from storage.open import open_log, open_store
from tests.between import Between
from tests.webapp.channels import both

CRM = Caller("crm", UserKind.CLIENT, frozenset({"send"}))
ALICE = Caller("alice")


class Desk:
    """A log, a store and an acceptor on them, with alice, bob and a service client."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log_faults = Between(open_log(settings))
        self.log = cast("EventLog", self.log_faults)
        self.store: MessageStore = open_store(settings)
        self.store.migrate()
        self.log.create(dict.fromkeys(TOPICS, 2))
        self.acceptor = Acceptor(self.store, self.log, settings, both())
        self.store.add_users([User(name, UserKind.PERSON, 1) for name in ("alice", "bob")])
        self.store.add_users([User("crm", UserKind.CLIENT, 1)])

    def count(self, topic: str) -> int:
        return sum(end - first for first, end in self.log.ends(topic).values())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(Settings(data=tmp_path, partitions=2))
    yield desk
    desk.log.close()
    desk.store.close()


def said(text: str = "hello", **more: object) -> Draft:
    return Draft(Text(text), **more)  # type: ignore[arg-type]


def test_one_batch_is_one_append(desk: Desk) -> None:
    """However many messages and new conversations, the log is waited for once."""
    calls: list[int] = []

    def counted(records: list[object], timeout_s: float) -> Any:
        calls.append(len(records))
        return desk.log_faults.real.append(records, timeout_s)

    desk.log_faults.answer("append", counted)
    answers = desk.acceptor.accept(CRM, [said(to=["alice"]), said(to=["bob"]), said(to=["alice"])])
    assert all(isinstance(each, Accepted) for each in answers)
    assert calls == [5]
    assert (desk.count(INCOMING), desk.count(EVENTS)) == (3, 2)


def test_a_batch_keeps_its_order_within_a_conversation(desk: Desk) -> None:
    """What is said first comes first in the log."""
    texts = [str(number) for number in range(50)]
    desk.acceptor.accept(ALICE, [said(text, to=["bob"]) for text in texts])
    records = [
        record
        for partition, (first, end) in desk.log.ends(INCOMING).items()
        if end > first
        for record in desk.log.read(INCOMING, [Range(partition, first, end - 1)], 5)
    ]
    assert [read_message(record).payload.as_text() for record in records] == texts


def test_headers_travel_in_the_records(desk: Desk) -> None:
    """Trace context goes with each message, beside its version and the count of its recipients."""
    desk.acceptor.accept(CRM, [said(to=["whatsapp:+5511999990000"])], {"traceparent": "x"})
    [(partition, (first, end))] = [each for each in desk.log.ends(INCOMING).items() if each[1][1] > each[1][0]]
    [record] = desk.log.read(INCOMING, [Range(partition, first, end - 1)], 5)
    assert record.headers == {"traceparent": "x", "recipients": "1", "v": "1"}


def test_many_at_once_found_one_conversation_and_one_contact(desk: Desk) -> None:
    """First writer wins: whoever comes second finds the same."""
    arrivals = Arrivals(desk.store, desk.acceptor)

    def act(number: int) -> None:
        desk.acceptor.accept(CRM, [said(to=["whatsapp:+5511999990000"], sender="alice")])
        inbound = Inbound("whatsapp", "whatsapp-account", f"p{number}", "+5511999990000", "hi", 1)
        assert arrivals.accept_updates([inbound]).messages == 1
        desk.acceptor.accept(ALICE, [said(to=["bob"])])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(24)))
    contact = desk.store.owners([("whatsapp", "+5511999990000")])["whatsapp", "+5511999990000"].user_id
    assert len(desk.store.conversations_of("bob")) == 1
    assert len(desk.store.conversations_of("alice")) == 2
    assert len(desk.store.conversations_of(contact)) == 2
    assert desk.count(INCOMING) == 72


@pytest.mark.parametrize(
    ("kind", "up_to", "status", "code"),
    [("seen", 1, 422, "invalid"), ("read", 1, 422, "position_in_the_future"), ("delivered", -1, 422, "position_in_the_future")],
)
def test_positions_are_checked(desk: Desk, kind: str, up_to: int, status: int, code: str) -> None:
    """An unknown kind, and positions where nothing was said, come to nothing."""
    [answer] = desk.acceptor.accept(ALICE, [said(to=["bob"])])
    refused = desk.acceptor.acknowledge(ALICE, answer.conversation_id, kind, up_to)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (status, code)
    assert desk.count(STATUS) == 0


def test_a_foreign_or_unknown_conversation_takes_no_position(desk: Desk) -> None:
    """Neither a stranger's nor a service client's that is no member."""
    [answer] = desk.acceptor.accept(ALICE, [said(to=["bob"])])
    for caller, where in ((CRM, answer.conversation_id), (ALICE, str(uuid4())), (ALICE, "x")):
        refused = desk.acceptor.acknowledge(caller, where, "read", 1)
        assert refused and (refused.status, refused.code) == (404, "unknown_conversation")


def test_what_no_stage_would_read_is_refused_at_once(desk: Desk) -> None:
    """A message whose record is too large is not accepted and then buried; the others of the batch are accepted."""
    settings = desk.settings.model_copy(update={"text_limit": RECORD_MOST})
    acceptor = Acceptor(desk.store, desk.log, settings, both())
    large, small = acceptor.accept(ALICE, [said("x" * RECORD_MOST, to=["bob"]), said(to=["bob"])])
    assert isinstance(large, Refused)
    assert (large.status, large.code) == (413, "message_too_large")
    assert isinstance(small, Accepted)
    assert desk.count(INCOMING) == 1
