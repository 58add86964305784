"""How the command line prints things: one line each, without control characters from messages."""

import sys
from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
import typer

from chat4all.client import content_of
from chat4all.model.content import Content, Media, words_of
from chat4all.model.event_types import conversation_of
from chat4all.v1 import chat_pb2 as pb

# The API counts so far.
UNREAD_MOST = 100
MARKS = {"PENDING": "·", "SENT": "✓", "DELIVERED": "✓✓", "READ": "✓✓ read", "FAILED": "✗", "CANCELLED": "⊘"}


def printable(text: str) -> str:
    """Text that moves no cursor and sets no colour: line breaks as ⏎, other control characters as ·."""
    return "".join(each if each.isprintable() else "⏎" if each == "\n" else "·" for each in text)


def say(text: str, nl: bool = True) -> None:
    """One line for people, at once. `nl` False: the next one goes on in it."""
    typer.echo(text, nl=nl)
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """One line of JSON, at once."""
    say(msgspec.json.encode(value).decode())


def clock(at_ms: int) -> str:
    """A time of day on this machine."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M:%S")


def clock_of(rfc3339: str) -> str:
    """The same, with the date, of a time as the API gives it."""
    return datetime.fromisoformat(rfc3339).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def words(content: Content, reply_to: str = "") -> str:
    """What a message says, in a line; in front the beginning of the id of what it answers or changes."""
    about = reply_to or getattr(content, "target", "")
    said = f"[{content.filename or content.kind or 'file'}] {content.text}" if isinstance(content, Media) else words_of(content)
    return printable(f"{f'↩ {about[:8]}: ' if about else ''}{said}".rstrip())


def event_line(event: pb.Event) -> str:
    """An event in a line."""
    kind = event.WhichOneof("kind")
    if kind in ("message", "note"):
        one = event.message if kind == "message" else event.note
        said = words(content_of(one), one.reply_to)
        note = "(note) " if kind == "note" else ""
        return f"{clock(one.accepted_at_ms)}  {one.conversation_id[:8]}  {note}{one.sender}: {said}"
    if kind == "reload":
        why = event.reload.reason
        return f"{clock(event.at_ms)}  away for too long to be told all states: ask again for what you show ({why})"
    return f"{clock(event.at_ms)}  {conversation_of(event)[:8] or '-'}  {_news(event, kind)}"


def _news(event: pb.Event, kind: str | None) -> str:
    match kind:
        case "state":
            state = event.state
            why = f" ({state.reason})" if state.reason else ""
            return f"{state.message_id[:8]} {state.channel} {state.recipient}: {state.state}{why}"
        case "position":
            position = event.position
            return f"{position.user_id}: delivered to {position.delivered_up_to}, read to {position.read_up_to}"
        case "handling":
            return handling_words(event.handling)
        case "rejected":
            return f"{event.rejected.message_id} rejected: {event.rejected.reason}"
        case "contact" | "scheduled" | "presence" | "webhook" | "typing" | "account" | "template" | "broadcast":
            return _about(event)
    return f"members changed (version {event.conversation.members_version})"


def _about(event: pb.Event) -> str:
    """What became of somebody, or of what a team has."""
    if event.HasField("contact"):
        return f"{event.contact.contact_id} {printable(event.contact.display_name or '-')}: {event.contact.change}"
    if event.HasField("scheduled"):
        later = event.scheduled
        return f"{later.message_id} {later.state} for {clock(later.send_at_ms)}"
    if event.HasField("typing"):
        return f"{printable(event.typing.user_id)} types"
    if event.HasField("presence"):
        return f"{printable(event.presence.user_id)} {'is there' if event.presence.online else 'has gone'}"
    return _of_the_team(event)


def _of_the_team(event: pb.Event) -> str:
    """What became of an endpoint, a template, a broadcast, an account."""
    if event.HasField("webhook"):
        return f"webhook {event.webhook.webhook_id}: {event.webhook.change} {event.webhook.reason}".rstrip()
    if event.HasField("template"):
        return f"template {printable(event.template.name)} {event.template.language}: {event.template.status}"
    if event.HasField("broadcast"):
        return f"broadcast {event.broadcast.broadcast_id}: {event.broadcast.state}, {event.broadcast.accepted} accepted"
    account = event.account
    advice = f" ({', '.join(account.advice)})" if account.advice else ""
    return f"account {account.account_id} {printable(account.name or '-')}: {account.change}, {account.state}{advice}"


def handling_words(handling: pb.HandlingEvent) -> str:
    """How a conversation is handled, in a few words."""
    until = f" until {clock(handling.snoozed_until_ms)}" if handling.snoozed_until_ms else ""
    whose = f", {handling.assignee}'s" if handling.assignee else ""
    labels = "".join(f" #{printable(each)}" for each in handling.labels)
    return f"{handling.state}{until}{whose}, {handling.priority}{labels}"


def message_line(message: dict[str, Any]) -> str:
    """A message of history in a line."""
    mark = MARKS.get(message["status"], message["status"])
    said = words(content_of(message), message.get("reply_to", ""))
    edited = " (edited)" if message.get("edited_at") else ""
    reactions = "".join(f" {printable(each['emoji'])}" for each in message.get("reactions", ()))
    return f"{clock_of(message['accepted_at'])}  {message['sender']}: {said}{edited}{reactions}{_votes(message)}  {mark}"


def _votes(message: dict[str, Any]) -> str:
    """How a poll stands: how many chose each option."""
    votes, payload = message.get("votes", ()), message["payload"]
    if not votes:
        return ""
    counts = Counter(title for each in votes for title in each.get("titles", ()) if not each.get("counts"))
    for each in votes:
        counts.update(dict(zip(each.get("titles", ()), each.get("counts", ()), strict=False)))
    return f" ({', '.join(f'{printable(each)}: {counts[each]}' for each in payload.get('options', ()))})"


def timeline(message: dict[str, Any]) -> list[str]:
    """A message with what happened to it, a line each."""
    failed = " (failed for some)" if message["partially_failed"] else ""
    lines = [f"{message['message_id']}  {message['status']}{failed}", f"  accepted   {clock_of(message['accepted_at'])}"]
    if message.get("trace_id"):
        lines.append(f"  trace      {message['trace_id']}")
    for delivery in message["deliveries"]:
        why = f"  {delivery['reason']}" if delivery.get("reason") else ""
        tries = f"  {delivery['attempts']} attempts" if delivery["attempts"] > 1 else ""
        part = f" part {delivery['part']} of {delivery['parts']}" if delivery.get("parts") else ""
        kind = f" as {delivery['sent_as']}" if delivery.get("sent_as") else ""
        kind += _converted(delivery.get("conversion"))
        lines.append(f"  {delivery['channel']} to {delivery['recipient']}{part}{kind}: {delivery['status']}{why}{tries}")
        for step in delivery["history"]:
            reason = f"  {step['reason']}" if step.get("reason") else ""
            lines.append(f"    {step['status']:<10} {clock_of(step['at'])}{reason}")
    return lines


def _converted(conversion: dict[str, Any] | None) -> str:
    """Into what the file of a delivery is made, or why it is not."""
    if not conversion:
        return ""
    why = conversion.get("reason") or conversion["status"]
    return f" converted to {conversion['form']}" if why == "made" else f" ({conversion['form']}: {why})"


def conversation_line(conversation: dict[str, Any]) -> str:
    """A conversation in a line."""
    members = ", ".join(member["user_id"] for member in conversation["members"])
    return f"{conversation['conversation_id']}  {conversation['type']:<7}{unread_of(conversation)}  {members}"


def unread_of(conversation: dict[str, Any]) -> str:
    """How many messages of it are unread, where any is."""
    count = conversation.get("unread") or 0
    return f"  {count if count < UNREAD_MOST else f'{UNREAD_MOST - 1}+'} unread" if count else ""
