"""What providers tell us, over recorded payloads."""

import hashlib
import hmac
import re

import pytest
from msgspec.structs import replace

from chat4all.channels import CHANNELS, messaging, open_channel, telegram_inbound, whatsapp
from chat4all.model.clock import now_ms
from chat4all.ports import Inbound
from chat4all.settings import Settings
from tests.channels import payloads

META = [name for name in CHANNELS if name != "telegram"]


@pytest.mark.parametrize(("channel", "name"), payloads.webhooks())
def test_a_recorded_webhook_is_read(channel: str, name: str, settings: Settings) -> None:
    """Each recorded webhook gives exactly the updates that stand beside it, in order; what is bad costs nothing else."""
    body, expected = payloads.webhook(channel, name)
    begun, got = now_ms(), list(open_channel(channel, settings).read_webhook(body))
    for number, (each, wanted) in enumerate(zip(got, expected, strict=False)):
        # What has no time of its own is told at the time of arrival.
        if isinstance(each, Inbound) and isinstance(wanted, Inbound) and not wanted.at:
            assert begun <= each.at <= now_ms()
            got[number] = replace(each, at=0)
    assert got == expected


def test_what_is_passed_over_is_said() -> None:
    """Each field and event that a channel drops on purpose stands in docs/channels.md with why; no other is dropped."""
    page = (payloads.FOLDER.parent.parent / "docs" / "channels.md").read_text()
    dropped = {*whatsapp.ACCOUNT_FIELDS, *messaging.PASSED_OVER, *telegram_inbound.PASSED_OVER}
    told = set(re.findall("`([a-z_]+)`", page.partition("## What is passed over")[2]))
    assert dropped <= told


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [b"", b"null", b"{", b"[]", b"{}", b'{"entry":[null]}', b"\xff\xfe", b'{"message":[]}', b"7"])
def test_nonsense_is_unreadable_and_raises_nothing(channel: str, body: bytes, settings: Settings) -> None:
    """A webhook that makes no sense at all is one unreadable update, or none."""
    assert len(open_channel(channel, settings).read_webhook(body)) <= 1


@pytest.mark.parametrize("channel", META)
def test_metas_signature_is_over_the_raw_body(channel: str, settings: Settings) -> None:
    """The right HMAC passes; another body, another secret, no signature and a malformed one do not."""
    opened = open_channel(channel, settings)
    body = b'{"entry": [] }'
    right = hmac.new(settings.secret(f"{channel}_app_secret").encode(), body, hashlib.sha256).hexdigest()
    wrong = hmac.new(b"another", body, hashlib.sha256).hexdigest()
    assert opened.is_signed({"x-hub-signature-256": f"sha256={right}"}, body)
    assert not opened.is_signed({"x-hub-signature-256": f"sha256={right}"}, b'{"entry":[]}')
    for given in (f"sha256={wrong}", right, "sha256=", "é"):
        assert not opened.is_signed({"x-hub-signature-256": given}, body)
    assert not opened.is_signed({}, body)


def test_telegrams_secret_must_be_shown(settings: Settings) -> None:
    """Only the secret that we set passes."""
    opened = open_channel("telegram", settings)
    name = "x-telegram-bot-api-secret-token"
    assert opened.is_signed({name: settings.secret("telegram_webhook_secret")}, b"{}")
    assert not opened.is_signed({name: "guess"}, b"{}")
    assert not opened.is_signed({}, b"{}")


@pytest.mark.parametrize("channel", META)
def test_the_challenge_is_echoed_to_who_knows_the_token(channel: str, settings: Settings) -> None:
    """hub.challenge comes back only for subscribe with our verify token."""
    opened = open_channel(channel, settings)
    token = settings.secret(f"{channel}_verify_token")
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    assert opened.challenge(query) == "1158201444"
    assert opened.challenge({**query, "hub.verify_token": "guess"}) is None
    assert opened.challenge({**query, "hub.mode": "unsubscribe"}) is None
    assert opened.challenge({}) is None
