"""What failed is sent again over REST: once, by operators only, and what did not fail is left."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat4all.model.deliveries import Facts
from chat4all.model.messages import Message
from tests.webapp.driver import Driver

FAILED = Facts(attempts=1, attempted_at=2, refused_at=3, refused_reason="undeliverable")


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Iterator[Driver]:
    driver = start()
    driver.service("ops", "admin")
    driver.service("crm", "manage", "send")
    driver.service("shop", "send")
    yield driver


def sent(gateway: Driver, facts: Facts) -> Message:
    """A message to somebody on a channel, whose delivery is so."""
    told = gateway.send("shop", to=["whatsapp:+5511999990000"])
    message = next(each for each in gateway.process() if each.message_id == told["message_id"])
    gateway.parts.store.record({gateway.rows(message)[0].key: facts})
    return message


def again(gateway: Driver, message: Message, **body: Any) -> Any:
    return gateway.ask("ops", "POST", f"/v1/messages/{message.message_id}/resend", body)


def test_what_failed_is_sent_again_once(gateway: Driver) -> None:
    """Tried dry it is only said; then there is one more record, however often it is asked for."""
    message = sent(gateway, FAILED)
    delivery = {"delivery": str(gateway.rows(message)[0].key), "stood": "FAILED undeliverable"}
    dry = again(gateway, message, dry_run=True)
    assert dry == {"message_id": message.message_id, "dry_run": True, "resent": [delivery], "left": []}
    assert len(gateway.records()) == 1
    assert again(gateway, message)["resent"] == [delivery]
    again(gateway, message)
    first, *repeats = gateway.records()
    assert {each.resend_id for each in repeats} == {first.message_id}
    assert len({each.message_id for each in repeats}) == 1


def test_what_did_not_fail_is_left(gateway: Driver) -> None:
    """With the reason; nothing is appended."""
    message = sent(gateway, Facts(attempts=1, attempted_at=2, sent_at=3, provider_id="A"))
    told = again(gateway, message)
    assert told["resent"] == []
    assert "only FAILED is sent again" in told["left"][0]["why"]
    assert len(gateway.records()) == 1


def test_operators_only_and_messages_that_are_there(gateway: Driver) -> None:
    """Others are refused; of a message that is not stored it is said."""
    path = "/v1/messages/00000000-0000-4000-8000-000000000000/resend"
    assert gateway.refused("crm", "POST", path, {}, 403)[0] == "scope_needed"
    assert gateway.refused("ops", "POST", path, {}, 404)[0] == "unknown_message"
