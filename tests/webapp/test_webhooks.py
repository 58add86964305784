"""Webhooks over the real channels: what cannot be read, or is for another account, is kept whole and can be taken again."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from limits.storage import MemoryStorage

from chat4all.channels import CHANNELS, open_channel
from chat4all.letters import scan
from chat4all.people import now_ms
from chat4all.ports import DeadLetter
from chat4all.settings import Settings
from tests.channels import payloads
from tests.webapp.driver import Driver
from webapp.app import create_app

ANOTHER = "100000000000999"


class Provider:
    """A gateway with the channels that the service has, and whoever signs for their providers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.driver = Driver(create_app(settings, {name: open_channel(name, settings) for name in CHANNELS}, MemoryStorage()))
        if not self.driver.parts.store.users(["boss"]):
            self.driver.service("boss", "admin")
        self.driver.tokens["boss"] = self.driver.token(self.driver.parts.store.users(["boss"])["boss"])

    def posts(self, channel: str, webhook: Any, expect: int = 200) -> None:
        body = webhook if isinstance(webhook, bytes) else json.dumps(webhook).encode()
        if channel == "telegram":
            headers = {"X-Telegram-Bot-Api-Secret-Token": self.settings.secret("telegram_webhook_secret")}
        else:
            digest = hmac.new(self.settings.secret(f"{channel}_app_secret").encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-Hub-Signature-256": f"sha256={digest}"}
        answer = self.driver.client.post(f"/channels/{channel}/webhook", data=body, headers=headers)
        assert answer.status_code == expect, answer.get_data(as_text=True)

    def texts(self) -> list[str]:
        return [each.payload.text for each in self.driver.records()]

    def letters(self) -> list[DeadLetter]:
        return list(scan(self.driver.parts.store, now_ms() - 60_000, now_ms() + 1))

    def ask(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        return self.driver.ask("boss", method, path, body, expect)


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Provider]]:
    started: list[Provider] = []

    def begin() -> Provider:
        started.append(Provider(settings))
        return started[-1]

    yield begin
    for each in started:
        each.driver.close()


@pytest.fixture
def provider(start: Callable[[], Provider]) -> Provider:
    return start()


def whatsapp(provider_id: str, text: Any, account: str = "100000000000001", sender: str = "5511999990000") -> dict[str, Any]:
    message = {"from": sender, "id": provider_id, "timestamp": "1700000000", "type": "text", "text": {"body": text}}
    value = {"metadata": {"phone_number_id": account}, "messages": [message]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'{"x": ' + b"[" * 100_000])
def test_what_cannot_be_read_is_kept_as_it_came(provider: Provider, channel: str, body: bytes) -> None:
    """The provider hears 200 and forgets it; we keep every byte, and whoever is admin can look at it."""
    provider.posts(channel, body)
    [letter] = provider.letters()
    assert (letter.stage, letter.channel) == ("unreadable", channel)
    assert provider.driver.parts.store.kept_webhook(letter.letter_id) == (letter, body)
    provider.posts(channel, body)
    assert provider.letters() == [letter]


def test_one_bad_part_is_kept_and_costs_no_other(provider: Provider) -> None:
    """The good message arrives at once; the letter holds the whole webhook, and taking it again is once."""
    good, bad = whatsapp("wamid.good", "here"), whatsapp("wamid.bad", ["not", "text"])
    good["entry"] += bad["entry"]
    provider.posts("whatsapp", good)
    assert provider.texts() == ["here"]
    [letter] = provider.letters()
    shown = provider.ask("GET", f"/v1/dead-letters/{letter.letter_id}")
    assert json.loads(shown["body"]) == good
    assert (shown["stage"], shown["reason"]) == ("unreadable", "message")
    again = provider.ask("POST", f"/v1/dead-letters/{letter.letter_id}/replay", {})
    assert (again["messages"], again["unreadable"], again["unclaimed"]) == (1, ["message"], [])
    assert len({each.message_id for each in provider.driver.records()}) == 1


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "messenger"])
def test_an_update_for_another_account_waits_for_it(
    start: Callable[[], Provider], channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is signed by our app, so it is kept under its account; once that is ours, it arrives."""
    body, _ = payloads.webhook(channel, "another_account")
    provider = start()
    provider.posts(channel, body)
    [letter] = provider.letters()
    assert (letter.stage, letter.reason) == ("unclaimed", "unclaimed_account")
    assert provider.texts() == []
    path = f"/v1/dead-letters/{letter.letter_id}/replay"
    assert provider.ask("POST", path, {})["unclaimed"] == [letter.account]
    [listed] = provider.ask("GET", "/v1/dead-letters?stage=unclaimed")["dead_letters"]
    assert listed["account"] == letter.account
    monkeypatch.setenv("WHATSAPP_PHONE_NUMBER_ID" if channel == "whatsapp" else f"{channel.upper()}_ACCOUNT_ID", letter.account)
    later = start()
    dry = later.ask("POST", path, {"dry_run": True})
    assert (dry["messages"], dry["unclaimed"], later.texts()) == (1, [], [])
    assert later.ask("POST", path, {})["messages"] == 1
    later.ask("POST", path, {})
    [text] = {each.payload.text for each in later.driver.records()}
    assert text.startswith("for another")
    assert len({each.message_id for each in later.driver.records()}) == 1


def test_only_admins_see_what_was_kept(provider: Provider) -> None:
    """People's words are in it: nobody else reads or replays it, and what is not there is said so."""
    provider.posts("whatsapp", b"{ their words")
    [letter] = provider.letters()
    path = f"/v1/dead-letters/{letter.letter_id}"
    provider.driver.service("crm", "send", "manage")
    assert provider.driver.refused("crm", "GET", path, expect=403)[0] == "scope_needed"
    assert provider.driver.refused("crm", "POST", f"{path}/replay", {}, expect=403)[0] == "scope_needed"
    assert provider.driver.refused("boss", "GET", "/v1/dead-letters/unknown", expect=404)[0] == "unknown_letter"
    assert provider.driver.refused("boss", "POST", "/v1/dead-letters/unknown/replay", {}, expect=404)[0] == "unknown_letter"
    assert "words" not in json.dumps(provider.ask("GET", "/v1/dead-letters"))


def test_a_part_that_cannot_be_accepted_is_set_aside(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw blames one message, not its webhook: 200, the others arrive, the webhook is kept."""
    accept = type(provider.driver.parts.webhooks._arrivals).accept_updates

    def picky(self: Any, updates: Any, headers: Any = None) -> Any:
        if any(getattr(each, "text", "") == "bad" for each in updates):
            raise OverflowError("unforeseen")
        return accept(self, updates, headers)

    both = whatsapp("wamid.1", "good")
    both["entry"] += whatsapp("wamid.2", "bad")["entry"]
    with monkeypatch.context() as patched:
        patched.setattr(type(provider.driver.parts.webhooks._arrivals), "accept_updates", picky)
        provider.posts("whatsapp", both)
    assert provider.texts() == ["good"]
    [letter] = provider.letters()
    assert letter.reason == "not_accepted"
    assert provider.ask("POST", f"/v1/dead-letters/{letter.letter_id}/replay", {})["messages"] == 2
    assert sorted({each.payload.text for each in provider.driver.records()}) == ["bad", "good"]


@pytest.mark.parametrize("at", [-(10**30), -1, 9223372036854775808, 1e30, "soon", None, [], True])
def test_no_time_is_too_absurd_to_arrive(provider: Provider, at: Any) -> None:
    """On every channel: the words count, and the time of arrival stands for what cannot be."""
    message = {"message_id": 5, "date": at, "chat": {"id": 123456, "type": "private"}, "from": {"id": 123456}, "text": "t"}
    provider.posts("telegram", {"update_id": 1, "message": message})
    event = {"sender": {"id": "6789012345"}, "timestamp": at, "message": {"mid": "m.1", "text": "i"}}
    for channel, account in (("instagram", "17841400000000001"), ("messenger", "100000000000002")):
        told = event | {"recipient": {"id": account}}
        provider.posts(channel, {"object": "page", "entry": [{"id": account, "time": 1, "messaging": [told]}]})
    webhook = whatsapp("wamid.1", "w")
    webhook["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = at
    provider.posts("whatsapp", webhook)
    assert sorted(provider.texts()) == ["i", "i", "t", "w"]
    assert provider.letters() == []
    for each in provider.driver.records():
        owned = provider.driver.parts.store.identities([each.sender])[each.sender]
        assert all(now_ms() - 60_000 < identity.last_wrote_at <= now_ms() for identity in owned)
