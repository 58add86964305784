"""What Meta's Send API is given for choices and reactions. Pure; no I/O."""

from typing import Any

from chat4all.model.content import Choices, Reaction
from chat4all.model.option_tokens import token
from chat4all.ports import ChoiceLimits

# Titles are cut without a word at 20 characters, and tokens have 1,000 for their payload.
TITLE_MOST = 20
BUTTONS = ChoiceLimits(options=3, title_length=TITLE_MOST, text_length=640, links=3, links_alone=False)
# Sounds and films.
FILES_PER_SECOND: dict[str, float] = dict.fromkeys(("audio", "voice", "video", "animation"), 10)

SIGNALS = {"typing": 10.0, "read": 60.0}
SIGNAL_ACTIONS = {"typing": "typing_on", "read": "mark_seen"}


def quick_replies(text_length: int) -> ChoiceLimits:
    """Beside any text that can be sent."""
    return ChoiceLimits(options=13, title_length=TITLE_MOST, text_length=text_length)


def choices_message(choices: Choices, reference: str) -> dict[str, Any]:
    """The message that shows choices: as quick replies beside a text, which are gone once one is pressed, or as buttons."""
    payloads = [(each.title, token(reference, number)) for number, each in enumerate(choices.options, 1)]
    if choices.style == "quick_replies":
        replies = [{"content_type": "text", "title": title, "payload": payload} for title, payload in payloads]
        return {"text": choices.text, "quick_replies": replies}
    buttons = [{"type": "postback", "title": title, "payload": payload} for title, payload in payloads]
    links = [{"type": "web_url", "title": each.title, "url": each.url} for each in choices.links]
    template = {"template_type": "button", "text": choices.text, "buttons": [*buttons, *links]}
    return {"attachment": {"type": "template", "payload": template}}


def reaction_action(reaction: Reaction, mid: str, name: str) -> dict[str, Any]:
    """The action that reacts to a message, or takes that back; `name`: what the platform calls the emoji."""
    if not reaction.emoji:
        return {"sender_action": "unreact", "payload": {"message_id": mid}}
    return {"sender_action": "react", "payload": {"message_id": mid, "reaction": name}}
