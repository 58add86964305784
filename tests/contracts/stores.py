"""The message stores under test, and what their suites share. A new adapter is one more line in STORES."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from chat4all.model.content import Text
from chat4all.model.conversations import Conversation, ConversationType, Identity, User, UserKind
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane
from chat4all.model.messages import Message
from chat4all.ports import MessageStore
from chat4all.settings import Settings
from storage.open import open_store
from tests.contracts.cassandra_server import cassandra_settings


@dataclass(frozen=True)
class Adapter:
    """How to test a store: settings for a folder of the test's own; the fixture that runs its server, if it has one."""

    settings: Callable[[Path], Settings]
    server: str = ""


STORES: dict[str, Adapter] = {
    "sqlite": Adapter(lambda folder: Settings(data=folder, store="sqlite:store.db")),
    "cassandra": Adapter(cassandra_settings, "cassandra_server"),
}
PARAMETERS = [pytest.param(name, marks=pytest.mark.real) if adapter.server else name for name, adapter in STORES.items()]


@pytest.fixture(params=PARAMETERS)
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name a store, of this test's own or shared under names of one's own."""
    adapter = STORES[request.param]
    if adapter.server:
        request.getfixturevalue(adapter.server)
    return adapter.settings(tmp_path)


@pytest.fixture
def store(store_settings: Settings) -> Iterator[MessageStore]:
    """An open store, ready to use. What is in it may come from other tests: use `fresh` names."""
    opened = open_store(store_settings)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def other(store: MessageStore, store_settings: Settings) -> Iterator[MessageStore]:
    """The same store, opened as another process would."""
    opened = open_store(store_settings)
    yield opened
    opened.close()


def fresh(prefix: str = "x") -> str:
    """A name that nobody has used."""
    return f"{prefix}-{uuid4().hex[:16]}"


def lane() -> Lane:
    """A lane that nobody has used."""
    return Lane(fresh("channel"), 0)


def person(user_id: str, created_at: int = 1) -> User:
    """A user like most."""
    return User(user_id, UserKind.PERSON, created_at)


def claim(channel: str, address: str, user_id: str, since: int = 1, verified: bool = True) -> Identity:
    """A claim of an address."""
    return Identity(channel, address, user_id, since, verified)


def group(conversation_id: str, owner: str = "anna", created_at: int = 1) -> Conversation:
    """A group like most."""
    return Conversation(conversation_id, ConversationType.GROUP, owner, created_at, {"subject": "tea"})


def message(conversation_id: str, seq: int, text: str = "hello") -> Message:
    """A message at its place."""
    return Message(fresh("m"), conversation_id, "anna", Text(text), 1, 1_700_000_000_000, seq=seq)


def delivery(key: DeliveryKey, facts: Facts | None = None, address: str = "+55119") -> Delivery:
    """A delivery row like most."""
    return Delivery(key, "c", "m", "bob", address, Text("hello"), 1_700_000_000_000, facts=facts or Facts())
