"""POST /v1/messages with a route: what is refused and why, what is frozen, and what is shown of its legs."""

from typing import Any

import pytest

from chat4all.model.content import Text
from chat4all.model.records import INCOMING, Range, read_message
from tests.webapp.driver import Driver

CLIENTS = {"crm": ("send", "manage")}
LEGS: list[dict[str, Any]] = [{"channel": "whatsapp", "until": "delivered", "within_s": 60}, {"channel": "instagram"}]


def body(**more: Any) -> dict[str, Any]:
    return {"to": ["whatsapp:+5511900000001"], "payload": {"type": "text", "text": "hello"}, "route": LEGS} | more


def leg(number: int, **more: Any) -> dict[str, Any]:
    """The body with one leg changed."""
    return body(route=[each | (more if place == number else {}) for place, each in enumerate(LEGS)])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (body(channels=["whatsapp"]), "route"),
        (body(via="whatsapp"), "route"),
        (body(route=LEGS[:1]), "route"),
        (body(route=LEGS * 3), "route"),
        (leg(0, channel=""), "route.0.channel"),
        (leg(0, account_id="a"), "route.0.channel"),
        (leg(0, channel="pigeon"), "route.0.channel"),
        (leg(0, channel="", account_id="nobody's"), "route.0.account_id"),
        (leg(0, within_s=0), "route.0.within_s"),
        (leg(0, within_s=86_401), "route.0.within_s"),
        (leg(0, within_s=None), "route.0.within_s"),
        (leg(0, until="seen"), "route.0.until"),
        (leg(1, within_s=5), "route.1.within_s"),
        (leg(1, until="read"), "route.1.until"),
        (leg(1, payload={"type": "text", "text": " "}), "route.1.payload.text"),
        (leg(1, payload={"type": "media", "file_id": "f"}), "route.1.payload"),
        (leg(1, payload={"type": "nothing"}), "route.1.payload"),
        (leg(1, more="x"), "route.1.more"),
    ],
)
def test_what_is_wrong_with_a_route_is_named(gateway: Driver, given: dict[str, Any], field: str) -> None:
    """422 with the field, and nothing is accepted."""
    answer = gateway.ask("crm", "POST", "/v1/messages", given, 422)
    assert [each["field"] for each in answer["errors"]] == [field]


def test_all_legs_are_frozen_and_each_delivery_shows_its_leg(gateway: Driver) -> None:
    """Who has no address on a later channel has a leg without one; the first leg is a delivery of the message."""
    own = {"type": "text", "text": "elsewhere"}
    accepted = gateway.ask("crm", "POST", "/v1/messages", leg(1, payload=own), expect=202)
    log = gateway.parts.log
    said = [
        read_message(record)
        for partition, (first, end) in log.ends(INCOMING).items()
        if end > first
        for record in log.read(INCOMING, [Range(partition, first, end - 1)], 5)
    ]
    [message] = [each for each in said if each.message_id == accepted["message_id"]]
    first, second = message.route
    assert (first.until, first.within_ms, first.recipients) == ("DELIVERED", 60_000, ())
    assert [(each.channel, each.address) for each in (*message.recipients, *second.recipients)] == [
        ("whatsapp", "+5511900000001"),
        ("instagram", ""),
    ]
    assert (message.payload, second.payload) == (Text("hello"), Text("elsewhere"))


def test_a_route_said_again_is_the_same_message(gateway: Driver) -> None:
    """Accepted again, once."""
    same = body(message_id="7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11")
    first, second = (gateway.ask("crm", "POST", "/v1/messages", same, 202) for _ in range(2))
    assert first == second
