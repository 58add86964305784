"""Typing and read marks: whom they reach on channels, how seldom, and that messages do not notice."""

from typing import Any, ClassVar

import pytest

from chat4all.model.content import Answer
from chat4all.model.conversations import Identity
from chat4all.model.failures import Temporary
from chat4all.model.records import Position
from chat4all.model.signals import PRESSED, READ, TYPING, Cadence, Signal
from chat4all.ports import Inbound, Limits, Update
from tests.webapp.channels import WhatsAppLike
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
CARLA, DORA, NEW = "+5511999990000", "+5511999990001", "+5511999990002"


class Signalling(WhatsAppLike):
    limits: ClassVar[Limits] = Limits(  # type: ignore[misc]
        4096, 80, 6, 45, True, frozenset({"sent"}), signals={TYPING: 4.0, READ: 60.0, PRESSED: 60.0}
    )

    def _read(self, part: dict[str, str]) -> Update:
        if part["type"] != "press":
            return super()._read(part)
        person, at = part["address"], 1_700_000_000_000
        return Inbound(self.name, self.account.account_id, "p7", person, "Tea", at, content=Answer(title="Tea"), press="4711")


@pytest.fixture
def gateway(gateway: Driver) -> Driver:
    gateway.parts.channels["whatsapp"] = Signalling()  # type: ignore[index]
    return gateway


def said(driver: Driver, to: str = CARLA) -> str:
    """Alice writes to an address; the conversation."""
    told = driver.send("crm", "Bom dia", sender="alice", to=[f"whatsapp:{to}"])
    driver.process()
    driver.ask("crm", "PUT", f"/v1/conversations/{told['conversation_id']}/links/whatsapp/{to}")
    return str(told["conversation_id"])


def heard(driver: Driver, provider_id: str, address: str = CARLA, **more: Any) -> tuple[str, int]:
    """Somebody writes; the conversation and the seq."""
    record = driver.writes("whatsapp", address, "oi", provider_id, **more)
    driver.process()
    return record.conversation_id, record.seq


def types(driver: Driver, talk: str, who: str = "alice", later: bool = True) -> list[Signal]:
    """What is shown when somebody types, some seconds after the last time."""
    driver.wakes.signals.clear()
    if later:
        driver.given(cadence=Cadence())
    driver.ask(who, "POST", f"/v1/conversations/{talk}/typing", expect=204)
    return driver.wakes.signals


def test_typing_shows_where_the_person_was_last(gateway: Driver) -> None:
    """First where they were written to, which is nothing to point at; then at the newest that they wrote."""
    talk = said(gateway)
    assert types(gateway, talk) == [Signal("whatsapp", TYPING, CARLA)]
    assert heard(gateway, "p1")[0] == talk
    heard(gateway, "p2")
    said(gateway)
    assert types(gateway, talk) == [Signal("whatsapp", TYPING, CARLA, "p2")]


def test_a_flood_is_one_signal_and_reads_nothing(gateway: Driver) -> None:
    """Whoever says it: in a conversation it is handed on once in some seconds."""
    talk = said(gateway)
    assert len(types(gateway, talk, later=False)) == 1
    for name in ("page", "owners"):
        gateway.faults.fail(name, AssertionError(name))
    for _ in range(20):
        assert types(gateway, talk, later=False) == []


def test_typing_needs_a_member(gateway: Driver) -> None:
    """To others there is no such conversation, and who has left shows nothing."""
    talk = gateway.group("alice", "bob")
    gateway.send("alice", "x", conversation_id=talk)
    assert gateway.refused("eve", "POST", f"/v1/conversations/{talk}/typing", expect=404)[0] == "unknown_conversation"
    gateway.ask("bob", "DELETE", f"/v1/conversations/{talk}/members/bob", expect=204)
    assert gateway.refused("bob", "POST", f"/v1/conversations/{talk}/typing", expect=403)[0] == "scope_needed"
    assert (
        gateway.refused("bob", "POST", f"/v1/conversations/{talk}/read", {"up_to": 1, "tell": True}, 403)[0] == "scope_needed"
    )
    assert gateway.wakes.signals == []


def test_nobody_shows_typing_to_themselves_or_to_those_who_left(gateway: Driver) -> None:
    """Of a group those members who are there now, without the one who types."""
    gateway.parts.store.claim_addresses([Identity("whatsapp", CARLA, "alice", 1), Identity("whatsapp", DORA, "bob", 1)])
    talk = gateway.group("alice", "bob", "eve")
    gateway.send("eve", "hello", conversation_id=talk, channels=["all"])
    gateway.process()
    assert types(gateway, talk, "eve") == [Signal("whatsapp", TYPING, CARLA), Signal("whatsapp", TYPING, DORA)]
    assert types(gateway, talk, "alice") == [Signal("whatsapp", TYPING, DORA)]
    gateway.ask("bob", "DELETE", f"/v1/conversations/{talk}/members/bob", expect=204)
    assert types(gateway, talk, "alice") == []


def test_who_has_an_address_now_is_shown_nothing_of_who_had_it(gateway: Driver) -> None:
    """The address belongs to another; the conversation is still the old owner's."""
    talk, seq = heard(gateway, "p1")
    store = gateway.parts.store
    owner = store.owners([("whatsapp", CARLA)])["whatsapp", CARLA]
    assert [each.about for each in types(gateway, talk, "crm")] == ["p1"]
    store.release_address("whatsapp", CARLA, owner.user_id)
    assert types(gateway, talk, "crm") == []
    gateway.ask("crm", "POST", f"/v1/conversations/{talk}/read", {"up_to": seq, "tell": True}, 202)
    assert gateway.wakes.signals == []


def reads(driver: Driver, talk: str, up_to: int, who: str = "alice", **more: Any) -> list[Signal]:
    driver.wakes.signals.clear()
    driver.ask(who, "POST", f"/v1/conversations/{talk}/read", {"up_to": up_to, **more}, 202)
    return driver.wakes.signals


def test_a_read_mark_is_of_the_newest_message_up_to_there(gateway: Driver) -> None:
    """Only where it is asked for; said again at once it is told once."""
    said(gateway)
    talk, first = heard(gateway, "p1")
    _, second = heard(gateway, "p2")
    heard(gateway, "p3")
    assert reads(gateway, talk, second) == []
    assert reads(gateway, talk, second, tell=True) == [Signal("whatsapp", READ, CARLA, "p2")]
    assert reads(gateway, talk, second, tell=True) == []
    assert reads(gateway, talk, first, tell=True) == [Signal("whatsapp", READ, CARLA, "p1")]


def test_what_a_colleague_wrote_in_the_providers_app_is_not_read(gateway: Driver) -> None:
    """It is our own; the person's message before it is."""
    said(gateway)
    talk, _ = heard(gateway, "p1")
    _, last = heard(gateway, "p2", is_echo=True)
    assert reads(gateway, talk, last, tell=True) == [Signal("whatsapp", READ, CARLA, "p1")]


def test_a_service_client_tells_for_the_inbox(gateway: Driver) -> None:
    """It is no member; it has a position of its own there all the same, which it may tell of or not."""
    talk, seq = heard(gateway, "p1")
    assert reads(gateway, talk, seq, "crm", tell=True) == [Signal("whatsapp", READ, CARLA, "p1")]
    assert reads(gateway, talk, seq, "crm", tell=False) == []
    assert [(each.user_id, each.up_to) for each in gateway.statuses() if isinstance(each, Position)] == [("crm", seq)] * 2


def test_a_channel_without_signals_is_left_alone(gateway: Driver) -> None:
    """Nothing is woken for it."""
    record = gateway.writes("instagram", CARLA, "oi", "p1")
    gateway.process()
    assert types(gateway, record.conversation_id, "crm") == []


def test_a_press_is_answered_when_it_is_durable(gateway: Driver) -> None:
    """Not before: a provider that gets no 200 brings it again. Words are no press."""
    press = {"type": "press", "address": CARLA}
    gateway.log_faults.fail("append", Temporary("log"))
    assert gateway.webhook("whatsapp", press).status_code == 503
    assert gateway.wakes.signals == []
    gateway.log_faults.mend()
    heard(gateway, "p1")
    assert gateway.wakes.signals == []
    assert gateway.webhook("whatsapp", press).status_code == 200
    assert gateway.wakes.signals == [Signal("whatsapp", PRESSED, CARLA, "4711", Signalling().account.account_id)]


def test_messages_do_not_notice_signals(gateway: Driver) -> None:
    """Typing between each of them, and a waker that is slow to fail: all are accepted, in order."""
    talk = said(gateway)
    for number in range(5):
        types(gateway, talk)
        gateway.send("alice", f"{number}", conversation_id=talk)
    assert [each.payload.as_text() for each in gateway.records()] == ["Bom dia", *map(str, range(5))]
