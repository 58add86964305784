"""What WhatsApp's people send, as content: what recorded webhooks do not show."""

import json

import msgspec
import pytest

from chat4all.channels import open_channel
from chat4all.channels.json_fields import RAW_MOST
from chat4all.model.content import Content, Edit, Form, Unsupported
from chat4all.ports import Inbound
from chat4all.settings import Settings
from tests.channels import payloads


def read(settings: Settings, **message: object) -> Inbound:
    """What is read of a message with these fields."""
    body = json.loads(payloads.webhook("whatsapp", "text")[0])
    [told] = body["entry"][0]["changes"][0]["value"]["messages"]
    del told["text"], told["type"]
    told |= message
    [found] = open_channel("whatsapp", settings).read_webhook(json.dumps(body).encode())
    assert isinstance(found, Inbound)
    return found


@pytest.mark.parametrize(("channel", "name"), payloads.webhooks())
def test_content_says_its_own_words(channel: str, name: str, settings: Settings) -> None:
    """Where there is content, the text is what it says of itself, on all channels; only edits are marked beside it."""
    for each in open_channel(channel, settings).read_webhook(payloads.webhook(channel, name)[0]):
        if isinstance(each, Inbound) and each.content is not None and not isinstance(each.content, Edit):
            assert each.text == each.content.as_text()


def test_numbers_that_no_store_holds_are_kept_as_texts(settings: Settings) -> None:
    """A form's answers go into the log, whatever the form's own endpoint put into them."""
    answers = f'{{"big": {"9" * 300}, "list": [{2**63}, -1], "deep": {{"n": {-(2**70)}}}, "small": 7}}'
    reply = {"type": "nfm_reply", "nfm_reply": {"response_json": answers}}
    content = read(settings, type="interactive", interactive=reply).content
    assert isinstance(content, Form)
    assert content.answers == {"big": "9" * 300, "list": [str(2**63), -1], "deep": {"n": str(-(2**70))}, "small": 7}
    assert msgspec.json.decode(msgspec.json.encode(content), type=Content) == content
    assert content.as_text()


@pytest.mark.parametrize("filler", ["x", "\x01", "é", "🚲"])
def test_the_raw_part_of_what_has_no_type_is_bounded(filler: str, settings: Settings) -> None:
    """It is kept whole; of more than the bound the beginning. Both are JSON."""
    small = read(settings, type="hologram", hologram={"depth": 2**200})
    assert isinstance(small.content, Unsupported)
    assert json.loads(small.raw)["hologram"] == {"depth": str(2**200)}
    large = read(settings, type="hologram", hologram={"film": filler * 200_000})
    assert len(large.raw) <= RAW_MOST
    assert json.loads(large.raw)["beginning"].startswith('{"from":"')
