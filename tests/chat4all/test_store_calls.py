"""How often accepting asks the store: each call is a journey, and they are made one after the other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.ids import contact_id
from chat4all.model.records import TOPICS
from chat4all.ports import Inbound, MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.inbound.intake import Arrivals
from chat4all.settings import Settings
from storage.open import open_log, open_store
from tests.webapp.channels import both

CARLA = ("whatsapp", "+5511999990000")


class Counted:
    """A store that notes what it is asked."""

    def __init__(self, store: MessageStore) -> None:
        self.store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        asked = getattr(self.store, name)

        def noted(*args: Any, **named: Any) -> Any:
            self.calls.append(name)
            return asked(*args, **named)

        return noted


class Inlet:
    """What providers bring is accepted here."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data=folder, partitions=2)
        self.log = open_log(settings)
        self.log.create(dict.fromkeys(TOPICS, 2))
        self.counted = Counted(open_store(settings))
        store = cast("MessageStore", self.counted)
        store.migrate()
        self.arrivals = Arrivals(store, Acceptor(store, self.log, settings, both()))
        self._number = 0

    def writes(self, **more: Any) -> list[str]:
        """Carla writes once; what the store was asked meanwhile, in order."""
        self._number += 1
        self.counted.calls.clear()
        inbound = Inbound(CARLA[0], "whatsapp-account", f"p{self._number}", CARLA[1], "hello", now_ms(), **more)
        assert self.arrivals.accept_updates([inbound]).messages == 1
        return self.counted.calls

    def spoke(self) -> None:
        """The conversation's last message went to her address."""
        contact = contact_id(*CARLA)
        [talk] = self.counted.store.conversations_of(contact)
        self.counted.store.record({}, spoken={CARLA: (talk, now_ms())})


@pytest.fixture
def inlet(tmp_path: Path) -> Iterator[Inlet]:
    inlet = Inlet(tmp_path)
    yield inlet
    inlet.log.close()
    inlet.counted.store.close()


def test_who_goes_on_with_a_conversation_costs_six_calls(inlet: Inlet) -> None:
    """Most messages that come in are such. Nothing is asked twice, and nobody's other addresses are looked up."""
    inlet.writes()
    inlet.spoke()
    assert inlet.writes() == ["owners", "links", "last_conversations", "memberships", "register_inbound", "note_wrote"]


def test_a_contact_to_whom_nobody_wrote_yet_is_looked_for_once(inlet: Inlet) -> None:
    """Their addresses are read once, to find the conversation; then what may be on its way to them."""
    inlet.writes()
    calls = inlet.writes()
    assert calls.count("identities") == 1
    assert calls.count("memberships") == 1
    assert len(calls) <= 9, calls


def test_a_stranger_is_made_a_contact_and_a_conversation_with_no_second_look(inlet: Inlet) -> None:
    """Each question is asked once."""
    calls = inlet.writes(sender_name="Carla")
    assert calls.count("identities") == 1
    assert len(calls) <= 16, calls
