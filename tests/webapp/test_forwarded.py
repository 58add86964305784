"""What providers bring goes on as it was to endpoints that ask for it, after it was verified, and without what is secret."""

import random
from collections.abc import Iterator

import pytest

from chat4all.channels import CHANNELS
from chat4all.model.event_envelope import Envelope, envelope
from chat4all.model.event_types import PROVIDER
from chat4all.model.events import FORWARDED, decode
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.forwarded import KEPT_MOST
from chat4all.model.records import EVENTS, Range, Record
from chat4all.ports.webhooks import Webhook
from chat4all.settings import Settings
from tests.webapp.test_webhooks import Provider, whatsapp

# Not as anybody would write it: it must come as it was.
ODD = b'{ "object":"whatsapp_business_account",\n"entry" : [],"update_id":1e0 }  '


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    made = Provider(settings)
    yield made
    made.driver.close()


def asks(provider: Provider, *events: str, status: str = "enabled") -> None:
    """An endpoint for these types."""
    assert provider.driver.parts.store.put_webhook(Webhook("w", "https://shop.example/", events, status=status, version=1))


def kept(provider: Provider) -> list[Record]:
    log = provider.driver.parts.log
    spans = [Range(each, first, end - 1) for each, (first, end) in log.ends(EVENTS).items() if end > first]
    return [each for each in log.read(EVENTS, spans, 5) if each.headers["kind"] == FORWARDED]


def sent_on(provider: Provider) -> list[Envelope]:
    return [envelope(decode(each)) for each in kept(provider)]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [ODD, b"\xff\xfe nothing that anybody reads"])
def test_it_goes_on_as_it_was(provider: Provider, channel: str, body: bytes) -> None:
    """Byte by byte, whether or not we can read it, with whence it came; no secret that the provider shows is in it."""
    asks(provider, PROVIDER)
    provider.posts(channel, body)
    [said] = sent_on(provider)
    assert (said.type, said.body) == (PROVIDER, body)
    assert said.headers["webhook-channel"] == channel
    assert said.headers["webhook-account"]
    assert set(said.headers) - {"x-hub-signature-256"} == {"content-type", "webhook-channel", "webhook-account"}
    words = repr((said.headers, kept(provider)))
    names = [f"{name}_{of}" for name in ("whatsapp", "messenger", "instagram") for of in ("app_secret", "verify_token")]
    assert not [name for name in (*names, "telegram_webhook_secret") if provider.settings.secret(name) in words]


def test_what_is_not_verified_goes_nowhere(provider: Provider) -> None:
    """Nor where nobody asks for it by name, nor where who asks is disabled."""
    provider.posts("whatsapp", ODD)
    asks(provider)
    provider.posts("whatsapp", ODD + b" ")
    provider.driver.parts.store.put_webhook(Webhook("v", "https://shop.example/", (PROVIDER,), status="disabled", version=1))
    provider.posts("whatsapp", ODD + b"  ")
    for channel in CHANNELS:
        assert provider.driver.client.post(f"/channels/{channel}/webhook", data=ODD).status_code == 403
    assert sent_on(provider) == []


def test_a_webhook_that_is_repeated_has_the_same_id(provider: Provider) -> None:
    """Another has another; what is for an account that is not ours goes on too, and our own work is done all the same."""
    asks(provider, PROVIDER, "message.accepted")
    for body in (whatsapp("wamid.1", "hello"), whatsapp("wamid.1", "hello"), whatsapp("wamid.2", "hello", "999")):
        provider.posts("whatsapp", body)
    first, again, other = (each.event_id for each in sent_on(provider))
    assert first == again != other
    assert len({each.message_id for each in provider.driver.records()}) == 1


@pytest.mark.parametrize("failure", [Temporary("away"), Unknown("away")])
def test_a_provider_hears_200_only_when_it_will_be_sent_on(provider: Provider, failure: Exception) -> None:
    """It repeats it then, and neither the message nor its id is another one."""
    asks(provider, PROVIDER)
    driver, append = provider.driver, provider.driver.log_faults.real.append

    def failing(records: list[object], timeout_s: float) -> object:
        if any(getattr(each, "headers", {}).get("kind") == FORWARDED for each in records):
            raise failure
        return append(records, timeout_s)

    with driver.log_faults.instead("append", failing):
        provider.posts("whatsapp", whatsapp("wamid.1", "hello"), 503)
    provider.posts("whatsapp", whatsapp("wamid.1", "hello"))
    assert len(sent_on(provider)) == 1
    assert len({each.message_id for each in provider.driver.records()}) == 1


def test_what_is_too_large_is_not_sent_on(provider: Provider) -> None:
    """It is taken all the same; what can be packed small goes on."""
    asks(provider, PROVIDER)
    provider.posts("whatsapp", random.Random(1).randbytes(KEPT_MOST + 1))
    assert sent_on(provider) == []
    provider.posts("whatsapp", b" " * KEPT_MOST + ODD)
    assert len(sent_on(provider)) == 1
