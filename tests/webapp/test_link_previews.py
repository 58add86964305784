"""Previews of links over REST: of which messages, for whom, and when nothing is asked."""

from typing import Any
from uuid import uuid4

import pytest

from chat4all.services.link_previews import LinkPreview, LinkPreviews
from tests.webapp.driver import Driver
from webapp.requests.waits import Waits

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("manage", "send"), "shop": ("send",)}
FOUND = LinkPreview("https://shop.example/55", "www.shop.example", "Order 55", "On its way")


class Web(LinkPreviews):
    """Finds what it is told to; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.known: dict[str, LinkPreview] = {}

    def kept(self, url: str) -> LinkPreview | None:
        return self.known.get(url)

    def fetch(self, url: str, seconds: float) -> LinkPreview:
        assert seconds > 0
        self.asked.append(url)
        self.known[url] = FOUND
        return FOUND


@pytest.fixture
def web(gateway: Driver) -> Web:
    made = Web()
    gateway.given(previews=made)
    return made


def said(gateway: Driver, text: str, **more: Any) -> str:
    """A message of a client's, stored; the path of its preview."""
    message_id = str(gateway.send("crm", text=text, to=["whatsapp:+5511999990000"], **more)["message_id"])
    gateway.process()
    return f"/v1/messages/{message_id}/link-preview"


def test_a_link_is_fetched_when_somebody_asks_and_then_kept(gateway: Driver, web: Web) -> None:
    """Reading the message fetches nothing."""
    path = said(gateway, "It is here: https://shop.example/55.")
    gateway.ask("crm", "GET", path.removesuffix("/link-preview"))
    assert web.asked == []
    for _ in range(2):
        assert gateway.ask("crm", "GET", path) == {
            "url": "https://shop.example/55",
            "host": "www.shop.example",
            "title": "Order 55",
            "description": "On its way",
        }
    assert web.asked == ["https://shop.example/55"]
    assert b'chat4all_link_previews_total{outcome="found"} 1.0' in gateway.client.get("/metrics").data


def test_only_links_of_messages_and_only_for_the_team(gateway: Driver, web: Web) -> None:
    """No address of somebody's own choosing can be fetched; who is not of the team learns nothing."""
    path = said(gateway, "no link here")
    assert gateway.refused("crm", "GET", path, expect=404)[0] == "no_link"
    assert gateway.refused("crm", "GET", f"/v1/messages/{uuid4()}/link-preview", expect=404)[0] == "unknown_message"
    assert gateway.refused("alice", "GET", path, expect=403)[0] == "scope_needed"
    assert gateway.call(None, "GET", path).status_code == 401
    assert web.asked == []


def test_few_at_a_time(gateway: Driver, web: Web) -> None:
    """Where all turns are taken, it says so; what is known already needs none."""
    path = said(gateway, "https://shop.example/55")
    waits = Waits(1, 1.0)
    gateway.given(preview_waits=waits)
    with waits.turn():
        assert gateway.refused("crm", "GET", path, expect=503)[0] == "busy"
    gateway.ask("crm", "GET", path)
    with waits.turn():
        assert gateway.ask("crm", "GET", path)["title"] == "Order 55"


def test_they_can_be_switched_off(gateway: Driver, web: Web) -> None:
    """Then nothing is asked."""
    gateway.given(settings=gateway.parts.settings.model_copy(update={"link_previews": False}))
    assert gateway.refused("crm", "GET", said(gateway, "https://shop.example/55"), expect=409)[0] == "link_previews_off"
    assert web.asked == []
