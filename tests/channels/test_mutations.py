"""Every field of every recorded webhook, spoilt in every way that JSON allows: what can be read arrives, the rest is kept."""

import copy
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from chat4all.channels import CHANNELS, open_channel
from chat4all.channels.json_fields import decoded
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Channel, Inbound, Unclaimed, Unreadable, Update
from chat4all.settings import Settings
from tests.channels import payloads

Path = tuple[str | int, ...]

DROPPED = object()
DEEP = "@deep@"
SPOILT: tuple[Any, ...] = (
    DROPPED, None, True, 7, -1, 1e30, -(10**30), "", "x", "half \ud83d", [], [None], {}, {"id": {}}, DEEP,
)  # fmt: skip
# Where there is nothing to be read, nothing can be lost.
NOTHING: tuple[Any, ...] = (DROPPED, None, "", [], {}, {"id": {}})
NESTED = "[" * 1_000 + "]" * 1_000

# Who wrote, which message it is, what was said, and the way to them: only these may cost a message. Ids of files are words too.
NEEDED = {
    "whatsapp": {"entry", "changes", "value", "messages", "message_echoes", "from", "to", "from_user_id", "id", "text", "body",
                 "metadata", "phone_number_id", "field", "image", "audio", "video", "document", "voice", "sticker", "wa_id",
                 "user_id", "calls", "event", "group_id", "history", "threads", "groups", "added_participants",
                 "removed_participants", "group_subject"},
    "telegram": {"message", "edited_message", "callback_query", "message_reaction", "chat", "id", "message_id", "from", "text",
                 "caption", "photo", "document", "voice", "audio", "sticker", "file_id", "live_period", "migrate_to_chat_id",
                 "migrate_from_chat_id", "animation", "live_photo", "video_note", "channel_post", "edited_channel_post",
                 "business_message", "edited_business_message", "deleted_business_messages", "business_connection_id",
                 "message_ids", "message_thread_id", "is_topic_message", "poll", "poll_answer", "poll_id", "option_ids", "user",
                 "voter_chat", "options", "voter_count"},
}  # fmt: skip
NEEDED["instagram"] = NEEDED["messenger"] = {
    "entry", "messaging", "standby", "sender", "recipient", "id", "message", "message_edit", "reaction", "postback", "order",
    "referral",
    "mid", "text", "attachments", "is_echo", "metadata", "payload", "url", "type",
}  # fmt: skip
PARTS = {"messages", "message_echoes", "statuses", "calls", "messaging", "standby"}


def nodes(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value in a document."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from nodes(each, (*path, name))


def holder(document: Any, path: Path) -> Any:
    for name in path[:-1]:
        document = document[name]
    return document


def spoilt(document: Any, path: Path, value: Any) -> bytes:
    """The document with this value there, put in and taken out again: copies of all would take most of the time."""
    inside = holder(document, path)
    was = inside[path[-1]]
    try:
        if value is DROPPED and isinstance(inside, dict):
            rest = {name: each for name, each in inside.items() if name != path[-1]}
            outside = holder(document, path[:-1])[path[-2]] if len(path) > 1 else None
            if outside is None:
                return json.dumps(rest).encode()
            holder(document, path[:-1])[path[-2]] = rest
            try:
                return json.dumps(document).encode()
            finally:
                holder(document, path[:-1])[path[-2]] = inside
        inside[path[-1]] = None if value is DROPPED else value
        return json.dumps(document).replace(f'"{DEEP}"', NESTED).encode()
    finally:
        inside[path[-1]] = was


def timeless(updates: list[Update]) -> list[Any]:
    """Updates without their times: those that cannot be are the time of arrival."""
    return [msgspec.structs.replace(each, at=0) if hasattr(each, "at") else each for each in updates]


def part_of(path: Path) -> Path | None:
    """The message or event that the path leads into, if it does."""
    found = next((place for place, name in enumerate(path) if name in PARTS), None)
    return path[: found + 2] if found is not None and len(path) > found + 1 else None


def without(document: Any, part: Path) -> bytes:
    other = copy.deepcopy(document)
    del holder(other, part)[part[-1]]
    return json.dumps(other).encode()


def documents() -> list[tuple[str, str]]:
    return [each for each in payloads.webhooks() if isinstance(recorded(*each), dict)]


def recorded(channel: str, name: str) -> Any:
    body, _ = payloads.webhook(channel, name)
    try:
        return json.loads(body)
    except ValueError:
        return None


def all_spoilt(channel: str, name: str) -> Iterator[bytes]:
    """This recording with each of its values spoilt in each way."""
    document = recorded(channel, name)
    return (spoilt(document, path, value) for path in list(nodes(document)) for value in SPOILT)


def check(channel: Channel, document: Any, path: Path, inbound: list[Inbound], rest: list[Any]) -> None:
    """All ways to spoil one value: nothing is raised, gone without a trace, or lost for another part's sake."""
    last = next((name for name in reversed(path) if isinstance(name, str)), "")
    for value in SPOILT:
        got = list(channel.read_webhook(spoilt(document, path, value)))
        said = f"{path} as {str(value)[:20]!r}: {got}"
        arrived = [each for each in got if isinstance(each, Inbound)]
        assert got, said
        assert all("\ud83d" not in each.text for each in arrived), said
        told = timeless(got)
        # Of an account that is not ours receipts are read: the rest of what it says may have become one.
        heard = {Unclaimed(each.account) for each in got if isinstance(each, ProviderReceipt)}
        assert [each for each in rest if each not in told and each not in heard] == [], said
        if last not in NEEDED[channel.name] and "system" not in path:
            assert len(arrived) >= len(inbound), said
            assert {each.address for each in inbound} <= {each.address for each in arrived}, said
        elif len(arrived) < len(inbound) and value not in NOTHING:
            # A file whose kind cannot be told is a link among the words.
            kept = any(isinstance(each, Unreadable | Unclaimed) for each in got)
            assert kept or any("https://" in each.text for each in arrived), said


@pytest.mark.parametrize("name", CHANNELS)
def test_no_field_costs_more_than_itself(name: str, settings: Settings) -> None:
    """Dropped, empty, of another type, half a character, an impossible time, nested without end: at every place there is."""
    channel = open_channel(name, settings)
    for which, recording in documents():
        if which != name:
            continue
        document = recorded(which, recording)
        inbound = [each for each in channel.read_webhook(json.dumps(document).encode()) if isinstance(each, Inbound)]
        rests: dict[Path | None, list[Any]] = {None: []}
        for path in list(nodes(document)):
            part = part_of(path)
            if part not in rests and part:
                rests[part] = timeless(
                    [each for each in channel.read_webhook(without(document, part)) if not isinstance(each, Unreadable)]
                )
            check(channel, document, path, inbound, rests[part])


@pytest.mark.parametrize("name", [name for name in CHANNELS if name != "telegram"])
def test_what_is_shared_out_among_accounts_is_what_was_said(name: str, settings: Settings) -> None:
    """Two recordings in one body, one of them spoilt in each way: the parts say together what the whole says, as often."""
    channel, entry = open_channel(name, settings), {"id": "9", "messaging": [{}], "beside": 2**70}
    recordings = [each for which, each in documents() if which == name and recorded(which, each).get("entry")]
    another = recorded(name, "another_account")["entry"]
    for one in (spoilt_body for each in recordings for spoilt_body in all_spoilt(name, each)):
        whole = decoded(one)
        entries = whole.get("entry") if isinstance(whole, dict) else None
        more = {"entry": [*entries, entry, *another]} if isinstance(entries, list) else {}
        body = json.dumps(whole | more).encode() if more else one
        parts = channel.by_account(body, ())
        got = [each for part in parts.values() for each in channel.read_webhook(part)]
        assert said_by(got) == said_by(channel.read_webhook(body)), body


def said_by(updates: Sequence[Update]) -> list[str]:
    """In any order, without times, also in ids: what has none has that of its arrival."""
    return sorted(re.sub(r":\d{13}\b", ":then", repr(each)) for each in timeless(list(updates)))


ODD_NUMBERS = ("1e400", "-1e999", "9" * 5000, "-" + "9" * 5000, "NaN", "Infinity", "-Infinity", "1e-400")


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: number[:12])
def test_a_number_that_nothing_can_hold_costs_only_itself(name: str, number: str, settings: Settings) -> None:
    """In a field that nobody reads, beside half a character, and in the place of the time: all messages arrive."""
    channel = open_channel(name, settings)
    for which, recording in documents():
        if which != name:
            continue
        document = recorded(which, recording)
        whole = [each for each in channel.read_webhook(json.dumps(document).encode()) if isinstance(each, Inbound)]
        text = json.dumps(document | {"beside": [7007, "\ud83d"]})
        for body in (text, re.sub(r'"(timestamp|date)": ?"?\d+"?', r'"\1": 7007', text)):
            got = [each for each in channel.read_webhook(body.replace("7007", number).encode()) if isinstance(each, Inbound)]
            assert [each.text for each in got] == [each.text for each in whole], recording
        marked = b"\xef\xbb\xbf" + text.encode()
        assert len([each for each in channel.read_webhook(marked) if isinstance(each, Inbound)]) == len(whole), recording
