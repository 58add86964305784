"""What people do on Messenger and Instagram with what was sent to them, from the webhook to the log."""

from typing import Any

import pytest

from chat4all.model import option_tokens
from chat4all.model.content import Answer, Deletion, Edit, Location, Media, Reaction, Story, Text
from chat4all.model.messages import Message
from tests.webapp.test_webhooks import Provider, start

__all__ = ["start"]

ACCOUNTS = {"instagram": "17841400000000001", "messenger": "100000000000002"}
PERSON, STRANGER = "6789012345", "6789099999"
PLATFORMS = sorted(ACCOUNTS)
OPTIONS = [{"id": "my own id", "title": "Tea"}, {"id": "other", "title": "Coffee"}]


@pytest.fixture
def provider(start: Any) -> Provider:
    begun: Provider = start()
    begun.driver.service("crm", "send", "manage")
    return begun


def does(provider: Provider, channel: str, person: str = PERSON, waits_ms: int = 0, **event: Any) -> Message:
    """A person does something; the newest message of it, after it has waited so long for what it is about."""
    account = ACCOUNTS[channel]
    whole = {"sender": {"id": person}, "recipient": {"id": account}, "timestamp": 1700000000123, **event}
    before = {each.message_id for each in provider.driver.records()}
    provider.posts(channel, {"object": "page", "entry": [{"id": account, "time": 1, "messaging": [whole]}]})
    if waits_ms:
        provider.driver.look_again(waits_ms)
    [new] = [each for each in provider.driver.records() if each.message_id not in before]
    return new


def asked(provider: Provider, channel: str) -> tuple[Message, list[str]]:
    """Choices that arrived at the person under the id m_OURS, and what the provider got in place of each option's id."""
    choices = {"type": "choices", "text": "Tea or coffee?", "options": OPTIONS}
    provider.driver.ask("crm", "POST", "/v1/messages", {"payload": choices, "to": [f"{channel}:{PERSON}"]}, 202)
    [message] = provider.driver.process()
    provider.driver.deliver(message, "m_OURS")
    [row] = provider.driver.rows(message)
    return message, [option_tokens.token(str(row.key), number) for number in (1, 2)]


@pytest.mark.parametrize("as_button", [True, False])
@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_press_is_an_answer_to_the_choices(provider: Provider, channel: str, as_button: bool) -> None:
    """It names the message that asked, and the option as its sender called it: the provider never knew that name."""
    message, tokens = asked(provider, channel)
    if as_button:
        answer = does(provider, channel, postback={"mid": "m_A", "title": "Coffee", "payload": tokens[1]})
    else:
        answer = does(provider, channel, message={"mid": "m_A", "text": "Coffee", "quick_reply": {"payload": tokens[1]}})
    assert answer.payload == Answer(message.message_id, "other", "Coffee")
    assert answer.conversation_id == message.conversation_id


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_token_of_another_persons_choices_chooses_nothing(provider: Provider, channel: str) -> None:
    """Whoever makes one up is no further than with words; the title is there, and what the button carried."""
    message, tokens = asked(provider, channel)
    answer = does(provider, channel, STRANGER, postback={"mid": "m_A", "title": "Tea", "payload": tokens[0]})
    assert answer.payload == Answer(title="Tea", data=tokens[0])
    assert answer.conversation_id != message.conversation_id


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_button_of_somebody_elses_keeps_its_payload(provider: Provider, channel: str) -> None:
    """Of a bot that had the account before, or of the page's menu."""
    answer = does(provider, channel, postback={"mid": "m_A", "title": "Menu", "payload": "MENU:1"})
    assert answer.payload == Answer(title="Menu", data="MENU:1")


@pytest.mark.parametrize("channel", PLATFORMS)
def test_what_points_at_ours_names_our_message(provider: Provider, channel: str) -> None:
    """A reaction to it, one that is taken back, and words that quote it."""
    message, _ = asked(provider, channel)
    reaction = does(provider, channel, reaction={"mid": "m_OURS", "action": "react", "reaction": "love", "emoji": "❤"})
    assert reaction.payload == Reaction(message.message_id, "❤")
    taken_back = does(provider, channel, reaction={"mid": "m_OURS", "action": "unreact"})
    assert taken_back.payload == Reaction(message.message_id)
    reply = does(provider, channel, message={"mid": "m_R", "text": "later", "reply_to": {"mid": "m_OURS"}})
    assert (reply.payload, reply.reply_to) == (Text("later"), message.message_id)


@pytest.mark.parametrize("channel", PLATFORMS)
def test_what_people_change_of_theirs_names_it(provider: Provider, channel: str) -> None:
    """Other words, and none any more; each is a fact about the first message."""
    first = does(provider, channel, message={"mid": "m_1", "text": "at ten"})
    provider.driver.process()
    edit = does(provider, channel, message_edit={"mid": "m_1", "text": "at eleven", "num_edit": 1})
    assert edit.payload == Edit(Text("at eleven"), first.message_id)
    deletion = does(provider, channel, message={"mid": "m_1", "is_deleted": True})
    assert deletion.payload == Deletion(first.message_id)


@pytest.mark.parametrize("channel", PLATFORMS)
def test_a_reaction_to_what_nobody_knows_is_kept(provider: Provider, channel: str) -> None:
    """It was written before we were there: after a minute nobody waits for it any more."""
    reaction = does(provider, channel, waits_ms=61_000, reaction={"mid": "m_BEFORE", "action": "react", "reaction": "like"})
    assert reaction.payload == Reaction(emoji="👍")


@pytest.mark.parametrize("channel", PLATFORMS)
def test_places_stories_and_stickers_are_what_they_are(provider: Provider, channel: str) -> None:
    """Not words about them; a picture without words has no caption."""
    place = {"type": "location", "title": "Port", "payload": {"coordinates": {"lat": 41.1, "long": -8.6}}}
    assert does(provider, channel, message={"mid": "m_1", "attachments": [place]}).payload == Location(41.1, -8.6, "Port")
    story = {"url": "https://cdn.example/s", "id": "3"}
    answered = does(provider, channel, message={"mid": "m_2", "text": "lovely", "reply_to": {"story": story}})
    assert answered.payload == Story("reply", "https://cdn.example/s", "lovely", "3")
    sticker = {"type": "sticker", "payload": {"url": "https://cdn.example/like.png", "sticker_id": 369239263222822}}
    media = does(provider, channel, message={"mid": "m_3", "attachments": [sticker]}).payload
    assert isinstance(media, Media)
    assert (media.kind, media.text) == ("sticker", "")
