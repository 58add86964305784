"""Windows over REST: until when somebody may be written to, and what is said where nobody may be."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from limits.storage import MemoryStorage
from msgspec.structs import replace

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.content import Text, type_of
from chat4all.model.deliveries import Lane
from chat4all.model.ids import contact_id
from chat4all.model.records import partition_of
from chat4all.model.slots import slots
from chat4all.model.windows import WindowRule
from chat4all.ports import Channel, Inbound
from chat4all.services.inbound.intake import Arrivals
from chat4all.settings import Settings
from tests.wakes import Wakes
from tests.webapp.channels import InstagramLike, WhatsAppLike
from tests.webapp.driver import Driver, watched
from webapp.app import create_app

CARLA, DORA = "+5511999990000", "+5511999990001"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Bound(WhatsAppLike):
    """As WhatsApp has it."""

    limits = replace(
        WhatsAppLike.limits, window=WindowRule(86_400, exempt=frozenset({"template"})), contents=frozenset({"template"})
    )


def channels() -> dict[str, Channel]:
    """One with windows, one without."""
    return {each.name: each for each in (Bound(), InstagramLike())}


@pytest.fixture
def gateway(settings: Settings) -> Iterator[Driver]:
    driver = Driver(create_app(settings, channels(), MemoryStorage(), Wakes(), watched))
    driver.people("alice", "bob")
    driver.service("crm", "send", "manage")
    yield driver
    driver.close()


def wrote(driver: Driver, ago_ms: int, address: str = CARLA, account: str = "whatsapp-account", **more: Any) -> str:
    """Somebody wrote so long ago; the conversation that it is in."""
    given = Inbound("whatsapp", account, str(uuid4()), address, "hi", now_ms() - ago_ms, **more)
    assert Arrivals(driver.parts.store, driver.parts.acceptor).accept_updates([given]).messages == 1
    origins = {each.origin.provider_id: each.conversation_id for each in driver.records() if each.origin}
    return origins[given.provider_id]


def answers(driver: Driver, expect: int, address: str = CARLA, **more: Any) -> Any:
    """Alice writes to an address."""
    return driver.send("crm", sender="alice", to=[f"whatsapp:{address}"], expect=expect, **more)


def test_a_window_is_shown_until_it_shuts(gateway: Driver) -> None:
    """Of each member who has an address: when they wrote, and until when they may be written to."""
    talk = wrote(gateway, HOUR_MS)
    [shown] = gateway.ask("crm", "GET", f"/v1/conversations/{talk}/windows")["windows"]
    at = gateway.parts.store.last_wrote([("whatsapp", CARLA)])["whatsapp", CARLA]["whatsapp-account"]
    assert shown == {
        "recipient": contact_id("whatsapp", CARLA),
        "channel": "whatsapp",
        "account": "whatsapp-account",
        "open": True,
        "open_until": rfc3339(at + DAY_MS),
        "last_wrote_at": rfc3339(at),
    }
    assert gateway.refused("alice", "GET", f"/v1/conversations/{talk}/windows", expect=404)[0] == "unknown_conversation"


def test_a_day_after_they_wrote_a_message_is_refused(gateway: Driver) -> None:
    """At acceptance, with when they wrote and what to do; and again after they have written it is taken."""
    talk = wrote(gateway, DAY_MS + 1000)
    [shown] = gateway.ask("crm", "GET", f"/v1/conversations/{talk}/windows")["windows"]
    assert not shown["open"]
    problem = answers(gateway, 422)
    assert (problem["code"], problem["errors"][0]["field"]) == ("outside_window", "outside_window")
    assert shown["last_wrote_at"] in problem["detail"]
    wrote(gateway, 0)
    answers(gateway, 202)


def test_to_whom_nobody_ever_wrote_is_outside(gateway: Driver) -> None:
    """A stranger's window is shut; a template needs none."""
    assert answers(gateway, 422)["code"] == "outside_window"
    template = {"type": "template", "name": "hello_world", "language": "en_US"}
    body = {"from": "alice", "to": [f"whatsapp:{CARLA}"], "payload": template}
    gateway.ask("crm", "POST", "/v1/messages", body, 202)


def test_that_somebody_came_opens_no_window(gateway: Driver) -> None:
    """Nobody said anything: the team may not write because of it. It stands under the name of the group, which a new title
    changes.
    """
    talk = wrote(gateway, DAY_MS * 2)
    came = {"type": "chat_change", "kind": "joined", "people": [{"name": "Tomas", "id": "7"}], "by": "Caio"}
    said = gateway.writes("whatsapp", CARLA, "[added by Caio] Tomas", "came", content=came)
    assert (said.conversation_id, said.sender, said.sender_name) == (talk, contact_id("whatsapp", CARLA), "")
    assert answers(gateway, 422)["code"] == "outside_window"
    title = {"type": "chat_change", "kind": "titled", "text": "Bakers"}
    gateway.writes("whatsapp", CARLA, "[new title] Bakers", "title", content=title, sender_name="Bakers")
    assert gateway.parts.store.users([contact_id("whatsapp", CARLA)])[contact_id("whatsapp", CARLA)].display_name == "Bakers"


def test_a_known_message_is_answered_though_the_window_has_shut(gateway: Driver) -> None:
    """Who repeats what was accepted must not be told that it was refused: they would send it under a new id."""
    talk, again = wrote(gateway, HOUR_MS), {"message_id": str(uuid4())}
    first = answers(gateway, 202, **again)
    gateway.process()
    gateway.parts.people.clock = lambda: now_ms() + DAY_MS
    assert answers(gateway, 202, **again) == first
    assert answers(gateway, 422)["code"] == "outside_window"
    assert first["conversation_id"]
    assert talk


def test_one_who_can_be_reached_is_enough(gateway: Driver) -> None:
    """Refused is what reaches nobody; of several the others get it, and the provider refuses the rest."""
    wrote(gateway, 0, CARLA)
    wrote(gateway, DAY_MS * 2, DORA)
    people = [contact_id("whatsapp", CARLA), contact_id("whatsapp", DORA)]
    group = gateway.group("crm", "alice", *people)
    gateway.send("alice", conversation_id=group)
    gateway.send("alice", conversation_id=group, to=[people[1]], expect=422)
    mixed = gateway.group("crm", "alice", "bob", people[1])
    gateway.send("alice", conversation_id=mixed)


def test_each_account_has_a_window_of_its_own(gateway: Driver) -> None:
    """Whoever wrote to another number of ours has not opened this one."""
    wrote(gateway, 0, account="another-account")
    assert answers(gateway, 422)["code"] == "outside_window"
    wrote(gateway, 0)
    answers(gateway, 202)


def test_what_older_code_noted_opens_a_window(gateway: Driver) -> None:
    """It knew when an address wrote, and not to which account."""
    answers(gateway, 422)
    gateway.parts.store.note_wrote({("whatsapp", CARLA): now_ms() - HOUR_MS})
    answers(gateway, 202)


def test_a_channel_without_windows_takes_everything(gateway: Driver) -> None:
    """Nobody has written there."""
    gateway.send("crm", sender="alice", to=["instagram:+17841400001"])


def test_history_and_echoes_open_nothing(gateway: Driver) -> None:
    """What was said before the account was connected, and what the account itself said, are not the person writing now."""
    wrote(gateway, 0, is_history=True)
    wrote(gateway, 0, is_echo=True)
    assert answers(gateway, 422)["code"] == "outside_window"


HELLO = {"name": "hello_world", "language": "en_US", "parameters": {"body": ["Carla"]}}


def test_a_template_goes_in_the_place_of_what_cannot_be_sent(gateway: Driver) -> None:
    """To whom the window is shut, and to nobody else; readers here see what was said."""
    wrote(gateway, 0, CARLA)
    wrote(gateway, DAY_MS * 2, DORA)
    people = [contact_id("whatsapp", CARLA), contact_id("whatsapp", DORA)]
    group = gateway.group("crm", "alice", *people)
    told = gateway.send("alice", "x" * 4000, conversation_id=group, outside_window={"template": HELLO})
    [message] = [each for each in gateway.process() if each.message_id == told["message_id"]]
    sent = {(each.recipient.address, type_of(each.payload), each.payload.as_text()[:9]) for each in slots(message)}
    assert {each for each in sent if each[0] == DORA} == {(DORA, "template", "[template")}
    assert {each[1] for each in sent if each[0] == CARLA} == {"text"}
    assert message.payload == Text("x" * 4000)
    shown = gateway.ask("alice", "GET", f"/v1/messages/{told['message_id']}")
    by = {each["recipient"]: each.get("sent_as", "") for each in shown["deliveries"]}
    assert (by[people[1]], by[people[0]]) == ("template", "")


def test_a_template_that_may_go_instead_is_part_of_what_was_chosen(gateway: Driver) -> None:
    """The same message_id with another one is another body; the same again is the same message."""
    again = {"message_id": str(uuid4())}
    first = answers(gateway, 202, **again, outside_window={"template": HELLO})
    gateway.process()
    assert answers(gateway, 202, **again, outside_window={"template": HELLO}) == first
    wrote(gateway, 0)
    assert answers(gateway, 409, **again)["code"] == "message_id_conflict"
    fails = {"message_id": str(uuid4())}
    assert answers(gateway, 202, **fails) == answers(gateway, 202, **fails, outside_window="fail")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("try", "outside_window"),
        ({}, "outside_window"),
        ({"template": "hello_world"}, "outside_window"),
        ({"template": {"name": "hello_world"}}, "outside_window.template.language"),
        ({"template": HELLO | {"language": " "}}, "outside_window.template.language"),
        ({"template": HELLO | {"parameters": {"body": [""]}}}, "outside_window.template.parameters.body.0"),
        ({"template": HELLO | {"colour": "red"}}, "outside_window.template.colour"),
        ({"template": {"type": "text", "text": "hi"}}, "outside_window"),
    ],
)
def test_what_is_no_choice_is_refused_by_field(gateway: Driver, given: Any, field: str) -> None:
    """With the place that is wrong."""
    problem = answers(gateway, 422, outside_window=given)
    assert problem["errors"][0]["field"] == field


def test_a_channel_without_templates_fails_as_ever(gateway: Driver) -> None:
    """Nothing goes instead where nothing can."""
    gateway.parts.channels["instagram"].limits = replace(InstagramLike.limits, window=WindowRule(86_400))
    try:
        body: dict[str, Any] = {"sender": "alice", "to": ["instagram:+17841400001"], "outside_window": {"template": HELLO}}
        assert gateway.send("crm", expect=422, **body)["code"] == "outside_window"
    finally:
        del gateway.parts.channels["instagram"].limits


# HeldKey


def test_what_is_held_is_accepted_and_waits(gateway: Driver) -> None:
    """Where a window is shut, and where it is not; the record says until when, a week where nobody says less."""
    wrote(gateway, DAY_MS * 2)
    chosen: list[tuple[dict[str, Any], int]] = [({}, 7 * 86_400), ({"expires_in": 3600}, 3600)]
    for more, seconds in chosen:
        answers(gateway, 202, outside_window="hold", **more)
        message = gateway.records()[-1]
        assert (message.holds, message.expires_at - message.accepted_at) == (True, 1000 * seconds)
    answers(gateway, 202, outside_window="hold", address=DORA)


@pytest.mark.parametrize("wrong", [59, 7 * 86_400 + 1, 0, -1, "a"])
def test_how_long_something_is_held_is_bounded(gateway: Driver, wrong: Any) -> None:
    """Not for longer than rows are kept, and not so short that nobody could have answered."""
    problem = answers(gateway, 422, outside_window="hold", expires_in=wrong)
    assert problem["errors"][0]["field"] == "expires_in"


def test_what_is_held_is_another_message_than_what_is_not(gateway: Driver) -> None:
    """Under one id they are a conflict; repeated it is the same, also when the window has changed."""
    wrote(gateway, HOUR_MS)
    name = {"message_id": str(uuid4())}
    first = answers(gateway, 202, outside_window="hold", **name)
    gateway.process()
    assert answers(gateway, 409, **name)["code"] == "message_id_conflict"
    gateway.parts.people.clock = lambda: now_ms() + DAY_MS
    assert answers(gateway, 202, outside_window="hold", **name) == first


def test_what_is_held_is_cancelled_by_its_sender(gateway: Driver) -> None:
    """By nobody else who is not trusted; the key is looked at, and repeating it changes nothing."""
    wrote(gateway, DAY_MS * 2)
    sent = answers(gateway, 202, outside_window="hold")
    gateway.process()
    path = f"/v1/messages/{sent['message_id']}/deliveries"
    assert gateway.refused("bob", "DELETE", path, expect=404)[0] == "unknown_message"
    names = {"message_id": sent["message_id"], "conversation_id": sent["conversation_id"]}
    for _ in range(2):
        assert gateway.ask("alice", "DELETE", path) == names | {"cancelled": 1, "too_late": 0}
    [row] = gateway.parts.store.lane_rows(Lane("whatsapp", partition_of(names["conversation_id"], 2)), (-1, -1), 2**60, 9)
    assert gateway.parts.store.withdrawn([row.key])[row.key].reason == "cancelled"
    assert {each.key.address for each in gateway.parts.store.openings()} == {CARLA}
    shown = gateway.ask("alice", "GET", f"/v1/messages/{sent['message_id']}")["deliveries"]
    assert [(each["status"], "expires_at" in each) for each in shown if each["channel"] == "whatsapp"] == [("PENDING", True)]


def test_a_refused_message_to_a_stranger_leaves_no_empty_conversation(gateway: Driver) -> None:
    """Nobody finds one, by list or by id; once something can be said there it is there, under the id that follows from both."""
    answers(gateway, 422)
    assert gateway.ask("crm", "GET", "/v1/conversations")["conversations"] == []
    assert gateway.ask("alice", "GET", "/v1/conversations")["conversations"] == []
    made = answers(gateway, 202, outside_window="hold")["conversation_id"]
    [there] = gateway.ask("alice", "GET", "/v1/conversations")["conversations"]
    assert there["conversation_id"] == made
    answers(gateway, 422)
    assert len(gateway.ask("crm", "GET", "/v1/conversations")["conversations"]) == 1
