"""Connecting a WhatsApp number: what is asked, what is said, and that the app is subscribed, without which nothing comes."""

import json
from typing import Any

import pytest
from yarl import URL

from chat4all.channels.http import Answer, Http
from chat4all.channels.whatsapp import VERDICTS
from chat4all.channels.whatsapp_account import MANAGEMENT, MESSAGING, WhatsAppAccount
from chat4all.model.failures import Permanent, Temporary

NUMBER = {
    "display_phone_number": "+1 555", "verified_name": "Shop", "status": "CONNECTED", "quality_rating": "YELLOW",
    "whatsapp_business_manager_messaging_limit": "TIER_1K",
}  # fmt: skip
WEBHOOK = "https://chat.example/channels/whatsapp/webhook"
REFUSED = Answer(400, b'{"error": {"message": "no", "code": 190}}')


class Provider(Http):
    """Answers by the last part of the path; what was changed is kept."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(1, {})
        self.answers = answers
        self.changed: list[tuple[str, Any]] = []
        self.asked: list[str] = []

    async def get(self, url: URL) -> Answer:
        name = "business" if url.query.get("fields") == "whatsapp_business_account" else url.name
        self.asked.append(name)
        found = self.answers.get(name, {})
        return found if isinstance(found, Answer) else Answer(200, json.dumps(found).encode())

    async def post(self, url: URL, body: bytes) -> Answer:
        self.changed.append((url.path, json.loads(body)))
        return Answer(200, b'{"success": true}')


def account(provider: Provider, business: str = "") -> WhatsAppAccount:
    return WhatsAppAccount(provider, URL("https://graph.example/v23.0/100"), "token", business, VERDICTS)


def token(*scopes: str, targets: tuple[str, ...] = ()) -> dict[str, Any]:
    """What Meta says of a token."""
    granular = [{"scope": MANAGEMENT, "target_ids": list(targets)}] if targets else []
    return {"data": {"scopes": list(scopes), "granular_scopes": granular}}


async def test_a_look_says_how_the_number_fares_and_changes_nothing() -> None:
    """Name, state, quality, limit, and which scope is missing."""
    provider = Provider(**{"100": NUMBER, "debug_token": token(MESSAGING)})
    said = await account(provider).check()
    assert said == f"WhatsApp +1 555 (Shop); CONNECTED, quality YELLOW, TIER_1K; the token lacks {MANAGEMENT}"
    assert provider.changed == []


@pytest.mark.parametrize(
    ("given", "answers", "business"),
    [
        ("77", {}, "77"),
        ("", {"debug_token": token(MESSAGING, MANAGEMENT, targets=("88",))}, "88"),
        ("", {"business": {"whatsapp_business_account": {"id": "99"}}}, "99"),
        (
            "",
            {"debug_token": token(MANAGEMENT, targets=("1", "2")), "business": {"whatsapp_business_account": {"id": 99}}},
            "99",
        ),
    ],
    ids=["from the settings", "from the token", "from the number", "a token for several says nothing"],
)
async def test_the_app_is_subscribed_to_the_business_account(given: str, answers: dict[str, Any], business: str) -> None:
    """Subscribed before the webhook is set: an address alone brings nothing."""
    provider = Provider(**{"100": NUMBER, **answers})
    said = await account(provider, given).connect(WEBHOOK, "verify")
    override = {"webhook_configuration": {"override_callback_uri": WEBHOOK, "verify_token": "verify"}}
    assert provider.changed == [(f"/v23.0/{business}/subscribed_apps", {}), ("/v23.0/100", override)]
    assert f"app subscribed to business account {business}; templates can be read; webhook set" in said


async def test_what_could_not_be_done_is_said() -> None:
    """Nobody says which business account it is: the person who connects reads what to set, and that nothing will come."""
    provider = Provider(**{"100": NUMBER, "debug_token": REFUSED, "business": REFUSED})
    said = await account(provider).connect(WEBHOOK, "verify")
    assert "NOT subscribed, and nothing will come: set WHATSAPP_BUSINESS_ACCOUNT_ID" in said
    assert [path for path, _ in provider.changed] == ["/v23.0/100"]


async def test_nothing_is_asked_twice() -> None:
    """To connect takes the number, the token and the templates; each is asked for once."""
    provider = Provider(**{"100": NUMBER, "debug_token": token(MESSAGING, MANAGEMENT, targets=("88",))})
    await account(provider).connect(WEBHOOK, "verify")
    assert sorted(provider.asked) == ["100", "debug_token", "message_templates"]


async def test_templates_that_cannot_be_read_are_said() -> None:
    """The rest is done all the same."""
    provider = Provider(**{"100": NUMBER, "message_templates": Answer(400, b'{"error": {"message": "no", "code": 200}}')})
    assert "templates cannot be read" in await account(provider, "77").connect(WEBHOOK, "verify")


async def test_without_a_public_address_nothing_is_changed() -> None:
    """A laptop looks, and that is all."""
    provider = Provider(**{"100": NUMBER})
    assert "no public address" in await account(provider, "77").connect("", "verify")
    assert provider.changed == []


@pytest.mark.parametrize(("answer", "kind"), [(REFUSED, Permanent), (Answer(502, b"<html>"), Temporary)])
async def test_a_refused_token_is_final_and_a_proxy_is_not(answer: Answer, kind: type[Exception]) -> None:
    """Whoever reads it mends the token in the one case, and tries again in the other."""
    with pytest.raises(kind):
        await account(Provider(**{"100": answer})).check()
