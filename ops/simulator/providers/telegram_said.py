"""What people send on Telegram beside words and files, as its updates say it."""

from collections.abc import Callable
from typing import Any

from chat4all.channels import vcards
from chat4all.channels.telegram_address import Place
from chat4all.model.content import Card
from ops.simulator.model import Said
from ops.simulator.providers import telegram_chats, telegram_messages
from ops.simulator.providers.provider import encode
from ops.simulator.providers.telegram_chats import Chats

Content = dict[str, Any]
# The kind of the update, and what it holds.
Told = tuple[str, dict[str, Any]]


def update(said: Said, chats: Chats) -> Told | None:
    """The update that a bot gets; None: it is told nothing of this. ValueError: people on Telegram send no such thing.

    `content` is as the service's API shows it: a `target` is the id of a message, an answer has the `option` that came with
    the choice. The title of a key of a keyboard is written as a text is.
    """
    where, content = telegram_chats.place(said.sender), said.content
    if where.business:
        chats.connections.add(where.business)
    kind = str(content.get("type", "text"))
    if kind not in {"text", "media", *MAKERS, *CHANGES}:
        raise ValueError(f"people on Telegram send no {kind}; known: text, {', '.join((*MAKERS, *CHANGES))}")
    try:
        if kind in CHANGES and (kind != "answer" or content.get("option")):
            return CHANGES[kind](said, where, chats)
        message = telegram_messages.said(said) | (MAKERS[kind](content, said) if kind in MAKERS else {})
    except (AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"this is no {kind} as the API shows it: {error}") from None
    if kind in MAKERS and kind != "answer":
        message.pop("text", None)
    if content.get("forwarded"):
        message["forward_origin"] = {"type": "hidden_user", "sender_user_name": "Somebody", "date": said.at // 1000}
    chats.keep(said.provider_id, message)
    return "business_message" if where.business else "message", message


def _location(content: Content, _said: Said) -> Content:
    where = {"latitude": float(content["latitude"]), "longitude": float(content["longitude"])}
    if content.get("name") or content.get("address"):
        named = {"title": content.get("name", ""), "address": content.get("address", "")}
        return {"location": where, "venue": {"location": where, **named}}
    live = {"live_period": 900} if content.get("live_until") else {}
    return {"location": where | live}


def _contact(content: Content, _said: Said) -> Content:
    """One card a message, as people send them."""
    [given] = content["cards"]
    card = Card(
        name=given.get("name", ""),
        phones=tuple(given.get("phones", ())),
        emails=tuple(given.get("emails", ())),
        organization=given.get("organization", ""),
    )
    part = {"phone_number": (*card.phones, "")[0], "first_name": card.name}
    return {
        "contact": part | ({"vcard": vcards.write(card)} if card.emails or card.organization or len(card.phones) > 1 else {})
    }


def _form(content: Content, _said: Said) -> Content:
    """What a web app sends that was opened by a key of a keyboard."""
    return {
        "web_app_data": {"button_text": content.get("button") or "Open", "data": encode(content.get("answers", {})).decode()}
    }


def _story(content: Content, said: Said) -> Content:
    return {"story": {"id": int(content.get("provider_id") or 1), "chat": telegram_messages.chat_of(said.sender)}}


def _poll(content: Content, said: Said) -> Content:
    return {"poll": telegram_messages.poll(content, int(said.provider_id.rpartition(":")[2]))}


def _chat_change(content: Content, said: Said) -> Content:
    """Somebody comes or goes, or the chat has another title; people are named, and their ids follow from their names."""
    people = [telegram_messages.member(each["name"]) for each in content.get("people", ())]
    match content["kind"]:
        case "joined":
            return {"new_chat_members": people, "new_chat_member": people[0], "new_chat_participant": people[0]}
        case "left" | "removed":
            [gone] = people
            by_themselves = {"from": gone} if content["kind"] == "left" else {}
            return {"left_chat_member": gone, "left_chat_participant": gone} | by_themselves
        case "titled":
            return {
                "new_chat_title": content["text"],
                "chat": telegram_messages.chat_of(said.sender) | {"title": content["text"]},
            }
        case "pinned":
            before = {"message_id": 1, "chat": telegram_messages.chat_of(said.sender), "date": said.at // 1000}
            return {"pinned_message": before | {"text": content["text"]}}
    raise ValueError("kind: joined, left, removed, titled or pinned")


def _unsupported(content: Content, _said: Said) -> Content:
    kind = content.get("kind") or "dice"
    return {kind: content.get("raw", {"emoji": "🎲", "value": 3} if kind == "dice" else {})}


def _key(content: Content, said: Said) -> Content:
    return {"text": content.get("title") or said.text}


def _pressed(said: Said, where: Place, chats: Chats) -> Told:
    """A button below a message: it spins until the bot answers."""
    message = chats.said(_target(said))
    press = {"id": chats.press(), "from": telegram_messages.sender(said), "message": message, "chat_instance": where.chat}
    return "callback_query", press | {"data": str(said.content["option"])}


def _reacted(said: Said, where: Place, chats: Chats) -> Told:
    target, emoji = _target(said), said.content.get("emoji", "")
    number = target.rpartition(":")[2]
    if not number.isdigit() or not chats.is_there(target):
        raise ValueError(f"target: there is no message {target!r}")
    told = {"chat": telegram_messages.chat_of(where.chat), "message_id": int(number), "user": telegram_messages.sender(said)}
    new = [{"type": "emoji", "emoji": emoji}] if emoji else []
    return "message_reaction", told | {"date": said.at // 1000, "old_reaction": [], "new_reaction": new}


def _voted(said: Said, _where: Place, chats: Chats) -> Told:
    """Who votes is told of a poll with names; of all others how many chose each option."""
    message, person = chats.said(_target(said)), telegram_messages.sender(said)
    poll, chosen = message.get("poll"), [int(each) - 1 for each in said.content.get("options", [])]
    if not poll or not all(0 <= each < len(poll["options"]) for each in chosen):
        raise ValueError("target and options: the id of a poll, and numbers of its options from 1")
    if len(chosen) > 1 and not poll["allows_multiple_answers"]:
        raise ValueError("options: this poll takes one")
    votes = chats.votes.setdefault(_target(said), {})
    votes[person["id"]] = chosen
    if not poll["is_anonymous"]:
        named = [poll["options"][each]["persistent_id"] for each in chosen]
        return "poll_answer", {"poll_id": poll["id"], "user": person, "option_ids": chosen, "option_persistent_ids": named}
    every = [each for some in votes.values() for each in some]
    options = [each | {"voter_count": every.count(place)} for place, each in enumerate(poll["options"])]
    return "poll", poll | {"options": options, "total_voter_count": sum(map(bool, votes.values()))}


def _edited(said: Said, where: Place, chats: Chats) -> Told:
    message, words = dict(chats.said(_target(said))), said.content.get("content", {}).get("text") or said.text
    message |= {"edit_date": said.at // 1000, "text" if "text" in message else "caption": words}
    chats.keep(_target(said), message)
    return "edited_business_message" if where.business else "edited_message", message


def _deleted(said: Said, where: Place, chats: Chats) -> Told | None:
    """Only who answers for a business is told."""
    target = _target(said)
    chats.drop(target)
    if not where.business:
        return None
    told = {"business_connection_id": where.business, "chat": telegram_messages.chat_of(where.chat)}
    return "deleted_business_messages", told | {"message_ids": [int(target.rpartition(":")[2])]}


def _target(said: Said) -> str:
    target = said.content.get("target")
    if not isinstance(target, str) or not target:
        raise ValueError("target: the id of the message that this is about")
    return target


MAKERS: dict[str, Callable[[Content, Said], Content]] = {
    "location": _location,
    "contact_cards": _contact,
    "form": _form,
    "story": _story,
    "poll": _poll,
    "chat_change": _chat_change,
    "unsupported": _unsupported,
    "answer": _key,
}
CHANGES: dict[str, Callable[[Said, Place, Chats], Told | None]] = {
    "answer": _pressed,
    "reaction": _reacted,
    "vote": _voted,
    "edit": _edited,
    "deletion": _deleted,
}
