"""A deployment of an older commit goes on under today's code: nothing is said twice, and nothing looks different."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from limits.storage import MemoryStorage

from chat4all.model.messages import Message
from chat4all.model.records import EVENTS, Record
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from tests.golden.past import golden, records, restore
from tests.tasks.world import World, world
from tests.webapp.channels import both
from tests.webapp.driver import Driver
from webapp.app import create_app

CHANNELS = ("whatsapp", "instagram")
FIRST, REPEATED = golden("requests.json")["posts"], golden("requests.json")["webhooks"]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A gateway on the log and the store of then."""
    restore(tmp_path)
    made = Driver(create_app(Settings(data=tmp_path, partitions=2, broker="memory://"), both(), MemoryStorage()))
    made.parts.store.migrate()
    made.tokens = {name: made.token(user) for name, user in made.parts.store.users(["alice", "bob", "crm"]).items()}
    yield made
    made.close()


def _of(driver: Driver, conversation_id: str) -> list[Message]:
    return [each for each in driver.records() if each.conversation_id == conversation_id]


@pytest.mark.parametrize("post", FIRST, ids=lambda each: each["told"]["message_id"][-2:])
def test_a_message_of_then_repeated_is_the_same_message(driver: Driver, post: dict[str, Any]) -> None:
    """The answer of then, and nothing comes into the log."""
    before = len(driver.records())
    assert driver.ask(post["who"], "POST", "/v1/messages", post["body"], 202) == post["told"]
    assert len(driver.records()) == before


def test_a_webhook_of_then_repeated_brings_the_same_messages(driver: Driver) -> None:
    """What comes into the log again has the id, the conversation and the digest of the first: persist drops it."""
    first = driver.records()
    known = {(each.conversation_id, each.message_id): each.digest for each in first}
    for channel, part in REPEATED:
        assert driver.webhook(channel, part).status_code == 200
    again = driver.records()[len(first) :]
    assert {(each.conversation_id, each.message_id): each.digest for each in again}.items() <= known.items()


def test_every_message_of_then_is_shown(driver: Driver) -> None:
    """By its id and in its conversation's history, with its deliveries."""
    for post in FIRST:
        told, who = post["told"], post["who"]
        query = f"?conversation_id={told['conversation_id']}"
        shown = driver.ask(who, "GET", f"/v1/messages/{told['message_id']}{query}")
        history = driver.ask("alice", "GET", f"/v1/conversations/{told['conversation_id']}/messages")["messages"]
        assert (shown["payload"].get("text") or shown["payload"].get("caption")) == post["body"]["payload"]["text"]
        assert told["message_id"] in [each["message_id"] for each in history]


def _rows(here: World) -> dict[str, dict[str, Any]]:
    """What fan_out wrote of each delivery."""
    return {
        str(row.key): {name: getattr(row, name) for name in row.__struct_fields__ if name != "facts"}
        for channel in CHANNELS
        for row in here.rows(channel)
    }


def _told(kept: list[Record]) -> list[bytes]:
    """The bytes of the message events among these, each once."""
    return sorted({each.value for each in kept if pb.Event.FromString(each.value).WhichOneof("kind") == "message"})


def test_the_log_of_then_makes_the_same_rows_and_events(tmp_path: Path) -> None:
    """Stages are functions of the record: rows, ids, dead letters and message events come out as older code wrote them."""
    restore(tmp_path / "then")
    restore(tmp_path / "again", store=False)
    with world(tmp_path / "then", partitions=2) as then, world(tmp_path / "again", partitions=2) as again:
        again.run()
        assert _rows(again) == _rows(then)
        places = [(each.conversation_id, each.message_id) for each in _messages(then)]
        assert again.store.registered(places) == then.store.registered(places)
        assert _messages(again) == _messages(then)
        assert _told(again.log.read(EVENTS, again.everything(EVENTS).ranges, 5)) == _told(records(EVENTS))


def _messages(here: World) -> list[Message]:
    conversations = sorted({each.key for each in records("chat-incoming")})
    return [message for name in conversations for message in here.store.page(name, None, None, 200)]
