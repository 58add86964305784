"""States and histories of deliveries, and pages of history."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chat4all.model.clock import DAY_MS
from chat4all.model.content import Media
from chat4all.model.deliveries import DeliveryKey, Facts, Watermark
from chat4all.model.messages import Message, Origin, Recipient
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
OTHER = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"
CARLA, DORA = "+5511999990000", "+5511999990001"


def facts(driver: Driver, message: Message, index: int, **known: object) -> DeliveryKey:
    key = driver.rows(message)[index].key
    driver.parts.store.record({key: Facts(**known)})  # type: ignore[arg-type]
    return key


def shown(driver: Driver, message: Message) -> dict[str, object]:
    told: dict[str, object] = driver.ask("crm", "GET", f"/v1/messages/{message.message_id}")
    return told


def test_a_delivery_goes_from_pending_to_read(gateway: Driver) -> None:
    """Each fact adds a state with its time; the message follows."""
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    [message] = gateway.process()
    told = gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")
    assert (told["status"], told["deliveries"][0]["status"], told["deliveries"][0]["history"]) == ("PENDING", "PENDING", [])
    facts(gateway, message, 0, attempts=2, attempted_at=5000, sent_at=5000, provider_id="wamid.1")
    facts(gateway, message, 0, read_at=7000)
    told = gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")
    [delivery] = told["deliveries"]
    assert (told["status"], delivery["status"], delivery["attempts"]) == ("READ", "READ", 2)
    assert delivery["provider_message_id"] == "wamid.1"
    assert delivery["history"] == [
        {"status": "SENT", "at": "1970-01-01T00:00:05.000Z"},
        {"status": "READ", "at": "1970-01-01T00:00:07.000Z"},
    ]


def test_a_delivery_says_what_it_costs(gateway: Driver) -> None:
    """Once a provider said it; free is an answer too, and what was not said is left out."""
    for number, (price, cost) in enumerate(
        {
            "charged utility PMP": {"billable": True, "category": "utility", "model": "PMP"},
            "free - -": {"billable": False, "category": "", "model": ""},
        }.items()
    ):
        gateway.send("crm", to=[f"whatsapp:{CARLA}"])
        message = gateway.process()[number]
        assert "cost" not in gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")["deliveries"][0]
        facts(gateway, message, 0, attempts=1, sent_at=5000, priced_at=6000, price=price)
        assert gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")["deliveries"][0]["cost"] == cost


def test_a_message_that_failed_for_some_says_so(gateway: Driver) -> None:
    """The lowest state of those it did not fail for, and partially_failed; the reason stands at the delivery."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"whatsapp:{DORA}")
    gateway.send("crm", conversation_id=group, sender="alice")
    [message] = gateway.process()
    facts(gateway, message, 0, refused_at=5000, refused_reason="outside_window")
    facts(gateway, message, 1, sent_at=5000, delivered_at=6000)
    told = gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")
    assert (told["status"], told["partially_failed"]) == ("DELIVERED", True)
    assert (told["deliveries"][0]["status"], told["deliveries"][0]["reason"]) == ("FAILED", "outside_window")
    facts(gateway, message, 1, failed_at=5500, failed_reason="undeliverable")
    assert shown(gateway, message)["status"] == "DELIVERED"


def test_a_delivery_without_an_address_is_failed_with_its_reason(gateway: Driver) -> None:
    """A channel asked for that the person is not on: FAILED no_identity, and READ once they have read it here."""
    gateway.send("alice", to=["bob"], channels=["whatsapp"])
    [message] = gateway.process()
    told = gateway.ask("alice", "GET", f"/v1/messages/{message.message_id}")
    assert (told["status"], told["deliveries"][0]["reason"]) == ("FAILED", "no_identity")
    gateway.parts.store.raise_watermarks([Watermark(message.conversation_id, "bob", message.seq, 9, message.seq, 9)])
    told = gateway.ask("alice", "GET", f"/v1/messages/{message.message_id}")
    assert [each["channel"] for each in told["deliveries"]] == ["whatsapp", "chat4all"]
    assert told["status"] == "READ"


def test_a_resend_shows_at_the_delivery_that_it_repeats(gateway: Driver) -> None:
    """The newest resend's states stand for the delivery, after the old ones; the record itself is in no history."""
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    [message] = gateway.process()
    facts(gateway, message, 0, attempts=1, refused_at=5000, refused_reason="expired", resent_as=message.seq + 1)
    again = msgspec.structs.replace(
        message, message_id="again", resend_of=message.seq, recipients=(Recipient("x", "whatsapp", CARLA),), seq=message.seq + 1
    )
    store = gateway.parts.store
    store.put_messages([again])
    store.put_deliveries(gateway.rows(again))
    assert [each["status"] for each in gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")["deliveries"]] == [
        "FAILED"
    ]
    facts(gateway, again, 0, attempts=1, sent_at=8000, provider_id="second")
    [delivery] = gateway.ask("crm", "GET", f"/v1/messages/{message.message_id}")["deliveries"]
    assert (delivery["status"], delivery["attempts"], delivery["provider_message_id"]) == ("SENT", 2, "second")
    assert [each["status"] for each in delivery["history"]] == ["FAILED", "SENT"]
    page = gateway.ask("crm", "GET", f"/v1/conversations/{message.conversation_id}/messages")
    assert [each["message_id"] for each in page["messages"]] == [message.message_id]


def test_a_replay_does_not_lower_a_message(gateway: Driver) -> None:
    """DELIVERED to one and FAILED for the other stays DELIVERED while it is sent again, and until both have read it."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"whatsapp:{DORA}")
    gateway.send("crm", conversation_id=group, sender="alice")
    [message] = gateway.process()
    facts(gateway, message, 0, sent_at=5000, read_at=6000)
    facts(gateway, message, 1, refused_at=5000, refused_reason="undeliverable", resent_as=message.seq + 1)
    again = msgspec.structs.replace(
        message,
        message_id="again",
        resend_of=message.seq,
        resend_index=1,
        recipients=message.recipients[1:],
        seq=message.seq + 1,
    )
    gateway.parts.store.put_messages([again])
    gateway.parts.store.put_deliveries(gateway.rows(again))
    told = []
    for known in ({}, {"sent_at": 7000}, {"delivered_at": 8000}, {"read_at": 9000}):
        facts(gateway, again, 0, **known)
        seen = shown(gateway, message)
        told.append((seen["status"], seen["partially_failed"]))
    assert told == [("DELIVERED", True), ("DELIVERED", True), ("DELIVERED", False), ("READ", False)]


def test_readers_positions_make_states(gateway: Driver) -> None:
    """In a group the message is as far as its slowest reader."""
    group = gateway.group("alice", "bob", "eve")
    gateway.send("alice", conversation_id=group)
    [message] = gateway.process()
    gateway.parts.store.raise_watermarks([Watermark(group, "bob", message.seq, 5000, message.seq, 5000)])
    told = gateway.ask("alice", "GET", f"/v1/messages/{message.message_id}")
    assert told["status"] == "SENT"
    assert {each["recipient"]: each["status"] for each in told["deliveries"]} == {"bob": "READ", "eve": "SENT"}
    gateway.parts.store.raise_watermarks([Watermark(group, "eve", message.seq, 6000)])
    assert gateway.ask("alice", "GET", f"/v1/messages/{message.message_id}")["status"] == "DELIVERED"


def test_reading_is_said_and_capped(gateway: Driver) -> None:
    """A position goes to the log; one beyond the last message, or in a foreign conversation, does not."""
    talk = gateway.private("alice", "bob")
    gateway.send("alice", conversation_id=talk)
    [message] = gateway.process()
    path = f"/v1/conversations/{talk}/read"
    gateway.ask("bob", "POST", path, {"up_to": message.seq}, 202)
    [position] = gateway.statuses()
    assert (position.user_id, position.kind, position.up_to) == ("bob", "read", message.seq)  # type: ignore[union-attr]
    assert gateway.refused("bob", "POST", path, {"up_to": message.seq + 1}) == ("position_in_the_future", "up_to")
    assert gateway.refused("bob", "POST", path, {"up_to": -1}) == ("invalid", "up_to")
    assert gateway.refused("eve", "POST", path, {"up_to": 1}, 404)[0] == "unknown_conversation"
    assert len(gateway.statuses()) == 1


def told_by(driver: Driver, who: str, talk: str, query: str) -> tuple[list[str], int | None]:
    page = driver.ask(who, "GET", f"/v1/conversations/{talk}/messages?{query}")
    return [each["payload"]["text"] for each in page["messages"]], page.get("next")


def test_history_comes_in_pages_in_both_directions(gateway: Driver) -> None:
    """since is exclusive and ascending; before and neither give the newest; next goes on without gap or repetition."""
    talk = gateway.private("alice", "bob")
    for number in range(7):
        gateway.send("alice", str(number), conversation_id=talk)
    gateway.process()
    texts, follow = told_by(gateway, "bob", talk, "limit=3")
    assert texts == ["4", "5", "6"]
    texts, follow = told_by(gateway, "bob", talk, f"limit=3&before={follow}")
    assert texts == ["1", "2", "3"]
    assert told_by(gateway, "bob", talk, f"limit=3&before={follow}") == (["0"], None)
    texts, follow = told_by(gateway, "bob", talk, "limit=4&since=0")
    assert texts == ["0", "1", "2", "3"]
    assert told_by(gateway, "bob", talk, f"limit=4&since={follow}") == (["4", "5", "6"], None)


def test_history_is_found_by_time(gateway: Driver) -> None:
    """A time in place of a seq: what was accepted after it, or before it."""
    talk = gateway.private("alice", "bob")
    gateway.send("alice", conversation_id=talk)
    [message] = gateway.process()
    store = gateway.parts.store
    store.put_messages(
        [msgspec.structs.replace(message, message_id=str(n), seq=message.seq + n, accepted_at=n * 1000) for n in range(1, 9)]
    )
    at = "1970-01-01T00:00:05Z"
    old = [message.seq] if message.accepted_at <= 5000 else []
    after = gateway.ask("bob", "GET", f"/v1/conversations/{talk}/messages?since={at}")["messages"]
    assert [each["seq"] - message.seq for each in after] == [6, 7, 8]
    before = gateway.ask("bob", "GET", f"/v1/conversations/{talk}/messages?before={at}")["messages"]
    assert [each["seq"] - message.seq for each in before][-2:] == [4, 5]
    assert old == []


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=2026-01-01",
        "since=1&before=2",
        "limit=0",
        "limit=201",
        "colour=red",
        "since=1764430000000",
        "since=1764430000",
        "before=1764430000000",
    ],
)
def test_a_page_that_makes_no_sense_is_refused(gateway: Driver, query: str) -> None:
    """Wrong times, also as numbers; both directions at once, limits out of range, unknown parameters."""
    talk = gateway.private("alice", "bob")
    gateway.ask("alice", "GET", f"/v1/conversations/{talk}/messages?{query}", expect=422)


def test_members_read_what_was_said_while_they_were_there(gateway: Driver) -> None:
    """Who joins later or left earlier sees neither what was before nor what comes after; an open history shows the past."""
    for open_history, seen in ((False, ["during"]), (True, ["before", "during"])):
        group = gateway.group("alice", "bob", open_history=open_history)
        for text, change in (("before", ("POST", "")), ("during", ("DELETE", "/eve")), ("after", None)):
            gateway.send("alice", text, conversation_id=group)
            if change:
                body = {"members": ["eve"]} if change[0] == "POST" else None
                gateway.ask("alice", change[0], f"/v1/conversations/{group}/members{change[1]}", body, 200 if body else 204)
        gateway.process()
        assert told_by(gateway, "eve", group, "")[0] == seen
        assert told_by(gateway, "bob", group, "")[0] == ["before", "during", "after"]
        hidden = next(each for each in gateway.records() if each.payload.as_text() == "after" and each.conversation_id == group)
        gateway.ask("eve", "GET", f"/v1/messages/{hidden.message_id}", expect=404)


def test_statuses_stand_when_the_rows_have_gone(gateway: Driver) -> None:
    """A delivery that was read, one that failed, one that was sent again: shown as before."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"whatsapp:{DORA}")
    gateway.send("crm", conversation_id=group, sender="alice")
    [message] = gateway.process()
    facts(gateway, message, 0, attempts=2, sent_at=5000, provider_id="wamid.1", read_at=7000)
    key = facts(gateway, message, 1, attempts=1, refused_at=5000, refused_reason="blocked", resent_as=9_000)
    store = gateway.parts.store
    again = msgspec.structs.replace(message, seq=9_000, resend_of=message.seq, resend_index=1)
    store.put_messages([again])
    resent = msgspec.structs.replace(
        store.deliveries([key])[key], key=DeliveryKey(key.lane, 9_000, 0), facts=Facts(attempts=3, sent_at=8000)
    )
    store.put_deliveries([resent])
    before = shown(gateway, message)
    store.raise_cursor(key.lane, 9_000, 0)
    store.expire(int(time.time() * 1000) + 30 * DAY_MS)
    assert store.lane_rows(key.lane, (0, 0), 9_000, 9) == []
    after = shown(gateway, message)
    assert after == before
    told: Any = after["deliveries"]
    assert [each["status"] for each in told if each["channel"] == "whatsapp"] == ["READ", "SENT"]


def test_a_message_says_what_it_answers_and_where_it_comes_from(gateway: Driver) -> None:
    """As the stream says it, and never the person's address."""
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    [known] = gateway.process()
    origin = Origin("whatsapp", "whatsapp-account", DORA, "wamid.7", 5_000, "provider")
    more = {"reply_to": known.message_id, "origin": origin, "forwarded": True, "referral": {"ref": "spring"}}
    message = msgspec.structs.replace(known, seq=known.seq + 1, message_id=OTHER, **more)
    gateway.parts.store.put_messages([message])
    path = f"/v1/conversations/{known.conversation_id}/messages"
    plain, told = gateway.ask("crm", "GET", path)["messages"]
    assert (told["reply_to"], told["forwarded"], told["referral"]) == (known.message_id, True, {"ref": "spring"})
    assert told["origin"] == {
        "channel": "whatsapp",
        "account": "whatsapp-account",
        "provider_id": "wamid.7",
        "provider_at": "1970-01-01T00:00:05.000Z",
        "app": "provider",
    }
    assert DORA not in str(told)
    assert {"reply_to", "origin", "forwarded", "referral"}.isdisjoint(plain)


@pytest.mark.parametrize(
    ("payload", "sent_as"),
    [
        ({"type": "text", "text": "x" * 5_000}, [None, None]),
        ({"type": "location", "latitude": 0, "longitude": 10}, ["text"]),
        ({"type": "choices", "text": "Tea?", "options": [{"id": "y", "title": "Yes"}]}, ["text"]),
    ],
)
def test_a_delivery_says_as_what_it_goes_out(start: Callable[..., Driver], payload: dict[str, Any], sent_as: list[Any]) -> None:
    """Where the channel does not carry the message's own kind."""
    gateway = start(text_limit=8_000)
    gateway.service("crm", "send", "manage")
    gateway.send("crm", to=[f"whatsapp:{CARLA}"], payload=payload)
    [message] = gateway.process()
    deliveries: Any = shown(gateway, message)["deliveries"]
    assert [each.get("sent_as") for each in deliveries if each["channel"] == "whatsapp"] == sent_as


@pytest.mark.parametrize(("takes", "size", "sent_as"), [({"": 10}, 10, None), ({"": 10}, 11, "link"), ({}, 1, "link")])
def test_a_file_that_a_channel_takes_in_no_way_is_told_as_a_link(
    gateway: Driver, takes: dict[str, int], size: int, sent_as: str | None
) -> None:
    """By its bytes or by a link counts as the file itself; words with a link do not."""
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    [message] = gateway.process()
    file = Media("f", "", "cat.png", "image/png", size, "key")
    gateway.parts.store.put_messages([msgspec.structs.replace(message, payload=file, seq=message.seq + 1, message_id=OTHER)])
    channel = gateway.parts.channels["whatsapp"]
    channel.limits = msgspec.structs.replace(channel.limits, upload_bytes=takes)
    path = f"/v1/conversations/{message.conversation_id}/messages"
    told = gateway.ask("crm", "GET", path)["messages"][-1]["deliveries"]
    assert [each.get("sent_as") for each in told if each["channel"] == "whatsapp"] == [sent_as]
