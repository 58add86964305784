"""What people do on WhatsApp with what was sent to them, from the webhook to the log."""

from typing import Any

import pytest

from chat4all.model import option_tokens
from chat4all.model.clock import now_ms
from chat4all.model.content import Answer, Content, Deletion, Edit, Form, Media, Reaction, Text, Unsupported
from chat4all.model.messages import Message
from tests.webapp.test_webhooks import Provider, start

__all__ = ["start"]

ACCOUNT, ANA, RUI = "100000000000001", "5511999990000", "5511999990001"
OPTIONS = [{"id": "my own id", "title": "Tea"}, {"id": "other", "title": "Coffee"}]


@pytest.fixture
def provider(start: Any) -> Provider:
    begun: Provider = start()
    begun.driver.service("crm", "send", "manage")
    return begun


def does(provider: Provider, wamid: str, kind: str, part: Any, person: str = ANA, **more: Any) -> Message:
    """A person does something; the newest message of it."""
    told = {"from": person, "id": wamid, "timestamp": "1700000000", "type": kind, kind: part} | more
    value = {"metadata": {"phone_number_id": ACCOUNT}, "messages": [told]}
    before = {each.message_id for each in provider.driver.records()}
    provider.posts("whatsapp", {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]})
    [new] = [each for each in provider.driver.records() if each.message_id not in before]
    return new


def asked(provider: Provider, provider_id: str = "wamid.OURS", person: str = ANA, **more: Any) -> tuple[Message, list[str]]:
    """Choices that arrived at the person, and what WhatsApp got in place of each option's id."""
    choices = {"type": "choices", "text": "Tea or coffee?", "options": OPTIONS}
    body = {"payload": choices, **(more or {"to": [f"whatsapp:+{person}"]})}
    provider.driver.ask("crm", "POST", "/v1/messages", body, 202)
    *_, message = provider.driver.process()
    provider.driver.deliver(message, provider_id, now_ms() + 1000)
    [row] = provider.driver.rows(message)
    return message, [option_tokens.token(str(row.key), number) for number in (1, 2)]


def chosen(style: str, token: str) -> dict[str, Any]:
    return {"type": style, style: {"id": token, "title": "Coffee"}}


@pytest.mark.parametrize("style", ["button_reply", "list_reply"])
def test_a_press_is_an_answer_to_the_choices(provider: Provider, style: str) -> None:
    """It names the message that asked, and the option as its sender called it: WhatsApp never knew that name."""
    message, tokens = asked(provider)
    answer = does(provider, "wamid.A", "interactive", chosen(style, tokens[1]), context={"id": "wamid.OURS"})
    assert answer.payload == Answer(message.message_id, "other", "Coffee")
    assert (answer.conversation_id, answer.reply_to) == (message.conversation_id, message.message_id)


def test_a_token_of_another_persons_choices_chooses_nothing(provider: Provider) -> None:
    """Whoever makes one up is no further than with words; the title is there, and what the button carried."""
    message, tokens = asked(provider)
    answer = does(provider, "wamid.A", "interactive", chosen("list_reply", tokens[0]), RUI)
    assert answer.payload == Answer(title="Coffee", data=tokens[0])
    assert answer.conversation_id != message.conversation_id


def test_what_points_at_ours_names_our_message(provider: Provider) -> None:
    """A reaction to it, one that is taken back, words that quote it, and the button of a template."""
    message, _ = asked(provider)
    reaction = does(provider, "wamid.1", "reaction", {"message_id": "wamid.OURS", "emoji": "👍"})
    assert reaction.payload == Reaction(message.message_id, "👍")
    taken_back = does(provider, "wamid.2", "reaction", {"message_id": "wamid.OURS"})
    assert taken_back.payload == Reaction(message.message_id)
    reply = does(provider, "wamid.3", "text", {"body": "later"}, context={"id": "wamid.OURS"})
    assert (reply.payload, reply.reply_to) == (Text("later"), message.message_id)
    button = does(provider, "wamid.4", "button", {"text": "Stop", "payload": "STOP"}, context={"id": "wamid.OURS"})
    assert button.payload == Answer(message.message_id, title="Stop", data="STOP")


def test_what_people_change_of_theirs_names_it(provider: Provider) -> None:
    """Other words, also beside a picture, and none any more; each is a fact about the first message."""
    first = does(provider, "wamid.1", "text", {"body": "at ten"})
    provider.driver.process()
    part = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "at eleven"}}}
    assert does(provider, "wamid.2", "edit", part).payload == Edit(Text("at eleven"), first.message_id)
    assert does(provider, "wamid.3", "revoke", {"original_message_id": "wamid.1"}).payload == Deletion(first.message_id)
    picture = does(provider, "wamid.4", "image", {"id": "m1", "mime_type": "image/png", "caption": "tea"})
    provider.driver.process()
    image = {"type": "image", "image": {"id": "m1", "mime_type": "image/png", "caption": "green tea"}}
    edit = does(provider, "wamid.5", "edit", {"original_message_id": "wamid.4", "message": image}).payload
    assert isinstance(edit, Edit)
    assert isinstance(edit.content, Media)
    assert (edit.target, edit.content.text) == (picture.message_id, "green tea")


@pytest.mark.parametrize(
    ("about", "kind", "part", "wanted"),
    [
        ("wamid.OURS", "reaction", {"message_id": "wamid.OURS", "emoji": "👍"}, Reaction),
        ("wamid.THEIRS", "reaction", {"message_id": "wamid.THEIRS", "emoji": "👍"}, Reaction),
        ("wamid.THEIRS", "edit", {"original_message_id": "wamid.THEIRS", "message": {"text": {"body": "x"}}}, Edit),
        ("wamid.THEIRS", "revoke", {"original_message_id": "wamid.THEIRS"}, Deletion),
    ],
)
def test_what_is_about_a_message_goes_where_that_is(
    provider: Provider, about: str, kind: str, part: dict[str, Any], wanted: type[Content]
) -> None:
    """Also when the person was written to elsewhere since: in the other conversation nobody would know what it is about."""
    message, _ = asked(provider)
    theirs = does(provider, "wamid.THEIRS", "text", {"body": "mine"})
    assert theirs.conversation_id == message.conversation_id
    provider.driver.people("bea")
    elsewhere, _ = asked(provider, "wamid.LATER", to=[f"whatsapp:+{ANA}"], **{"from": "bea"})
    assert elsewhere.conversation_id != message.conversation_id
    assert does(provider, "wamid.N", "text", {"body": "to the newest"}).conversation_id == elsewhere.conversation_id
    found = does(provider, "wamid.E", kind, part)
    target = message if about == "wamid.OURS" else theirs
    assert isinstance(found.payload, wanted)
    assert (found.conversation_id, getattr(found.payload, "target", "")) == (message.conversation_id, target.message_id)


def test_forms_and_what_has_no_type_are_kept(provider: Provider) -> None:
    """The answers of a form as they were given; of an unknown kind its name, and what WhatsApp sent."""
    reply = {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": '{"flow_token": "t", "day": 3}'}}
    assert does(provider, "wamid.1", "interactive", reply).payload == Form("Sent", token="t", answers={"day": 3})
    odd = does(provider, "wamid.2", "hologram", {"depth": 3})
    assert isinstance(odd.payload, Unsupported)
    assert odd.payload.kind == "hologram"


def test_a_group_is_a_conversation_of_its_own(provider: Provider) -> None:
    """Who wrote is in front of the words, and what they write in private goes elsewhere."""
    private = does(provider, "wamid.1", "text", {"body": "hi"})
    group = does(provider, "wamid.2", "text", {"body": "hi all"}, group_id="Y2Fw")
    other = does(provider, "wamid.3", "text", {"body": "hello"}, RUI, group_id="Y2Fw")
    assert group.conversation_id == other.conversation_id != private.conversation_id
    assert group.sender == other.sender != private.sender
