"""An endpoint hears of its workspace, and of no other."""

import msgspec
import pytest

from chat4all.model.event_envelope import envelope
from chat4all.model.events import Event
from chat4all.model.forwarded import ProviderCall, forwarded_event
from chat4all.ports.webhooks import Webhook
from chat4all.v1 import chat_pb2 as pb
from tasks.webhooks.matching import Known, wants

ENDPOINTS = {"default": Webhook("w", "https://x.example"), "acme": Webhook("acme/w", "https://x.example")}


def event(conversation_id: str) -> Event:
    body = pb.Event(
        event_id=f"conversation:{conversation_id}:2",
        conversation=pb.ConversationEvent(conversation_id=conversation_id, members_version=2),
    )
    return Event("conversation", conversation_id, 0, body.SerializeToString())


@pytest.mark.parametrize(("conversation_id", "hears"), [("c", "default"), ("acme/c", "acme"), ("zeta/c", "")])
def test_an_endpoint_hears_of_its_own_conversations(conversation_id: str, hears: str) -> None:
    """Of what is another's it is not told, whatever it asks for."""
    assert [name for name, each in ENDPOINTS.items() if wants(each, event(conversation_id))] == ([hears] if hears else [])


def test_an_endpoint_s_own_events_are_of_its_workspace() -> None:
    """Which have no conversation."""
    body = pb.Event(webhook=pb.WebhookEvent(webhook_id="acme/x", change="disabled")).SerializeToString()
    said = Event("webhook", "", 0, body, subject="acme/x")
    assert [name for name, each in ENDPOINTS.items() if wants(each, said)] == ["acme"]


@pytest.mark.parametrize(("others", "hears"), [((), ["acme"]), (("2",), ["acme"]), (("9",), []), (("3",), [])])
def test_what_a_provider_sent_to_several_workspaces_is_forwarded_to_none(others: tuple[str, ...], hears: list[str]) -> None:
    """Its body has what people wrote to each of them."""
    asked = {name: msgspec.structs.replace(each, events=("provider.webhook",)) for name, each in ENDPOINTS.items()}
    said = forwarded_event(ProviderCall("whatsapp", "1", {}, b"{}", others), 1, 2)
    assert said
    known = Known(workspaces={"1": "acme", "2": "acme", "3": "zeta"})
    assert [name for name, each in asked.items() if wants(each, said, known)] == hears


def test_what_is_sent_says_the_workspace_and_calls_things_as_it_does() -> None:
    """In the envelope and in its data."""
    said = msgspec.json.decode(envelope(event("acme/c")).body)
    assert (said["workspace"], said["conversation_id"], said["data"]["conversation_id"]) == ("acme", "c", "c")
    plain = msgspec.json.decode(envelope(event("c")).body)
    assert (plain["workspace"], plain["id"]) == ("default", said["id"])
