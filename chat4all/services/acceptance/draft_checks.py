"""What can be said of a draft without looking anything up."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.channels import unknown_channel
from chat4all.model.callers import SEND, Caller
from chat4all.model.content import Text
from chat4all.model.drafts import Draft
from chat4all.model.ids import is_reserved, is_uuid
from chat4all.ports import Channel
from chat4all.services.acceptance.content_checks import content_fault, data_of
from chat4all.services.acceptance.recipients import ALL
from chat4all.services.acceptance.route_checks import route_fault
from chat4all.services.accounts.live import accounts_of
from chat4all.settings import Settings

METADATA_MOST = 16_384
KEY_MOST = 255
# Parsers and writers down the road stop at some hundreds, each at its own.
DEPTH_MOST = 64


class Fault(Struct, frozen=True):
    """Why a draft is refused, with the HTTP status, a stable code and the field."""

    status: int
    code: str
    detail: str
    field: str = ""


def shape_fault(caller: Caller, draft: Draft, settings: Settings) -> Fault | None:
    """What is wrong with who says it, and under which ids: the first such thing, or None."""
    return (
        _ids(draft)
        or _key(draft)
        or _sender(caller, draft)
        or metadata_fault(draft.metadata)
        or _chooses(caller, draft)
        or (_note(caller, draft) if draft.is_internal else _to(caller, draft, settings))
    )


def fault(draft: Draft, settings: Settings, channels: Mapping[str, Channel]) -> Fault | None:
    """What is wrong with what is said, by limits and names that may be others tomorrow: the first such thing, or None."""
    return (
        _reserved(draft)
        or _payload(draft, settings)
        or _outside_window(draft, settings)
        or _channels(draft, channels)
        or _via(draft, channels)
        or _route(draft, channels, settings)
    )


def metadata_fault(metadata: dict[str, Any]) -> Fault | None:
    """What is wrong with metadata: it must fit, and come back as it was given."""
    if not metadata:
        return None
    if is_deep(metadata):
        return Fault(422, "invalid", f"at most {DEPTH_MOST} levels", "metadata")
    encoded = msgspec.json.encode(metadata)
    if len(encoded) > METADATA_MOST:
        return Fault(422, "metadata_too_large", f"at most {METADATA_MOST} bytes as JSON", "metadata")
    try:
        same = msgspec.json.decode(encoded) == metadata
    except msgspec.MsgspecError:
        same = False
    return None if same else Fault(422, "invalid", "a number in it is out of range", "metadata")


def is_deep(value: Any, most: int = DEPTH_MOST) -> bool:
    """Whether lists and objects stand in each other more than so often."""
    level = [value]
    for _ in range(most + 1):
        level = [each for outer in level for each in _inner(outer)]
        if not level:
            return False
    return True


def _inner(outer: Any) -> Collection[Any]:
    return outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()


def _ids(draft: Draft) -> Fault | None:
    if draft.message_id is not None and not is_uuid(draft.message_id):
        return Fault(422, "malformed_uuid", "a UUID such as 7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11", "message_id")
    if draft.conversation_id is not None and not is_uuid(draft.conversation_id):
        return Fault(422, "malformed_uuid", "a conversation_id is a UUID", "conversation_id")
    return None


def _reserved(draft: Draft) -> Fault | None:
    """Ids of the versions that we make are computable: whoever could choose one could take another's message's place."""
    if draft.message_id is not None and is_reserved(draft.message_id):
        return Fault(
            422, "reserved_message_id", "UUIDs of versions 5 and 8 are the server's; a random one, version 4", "message_id"
        )
    return None


def _key(draft: Draft) -> Fault | None:
    key = draft.key
    if key is None:
        return None
    if draft.message_id is not None:
        return Fault(422, "invalid", "a message_id or an Idempotency-Key, not both", "Idempotency-Key")
    if not 0 < len(key) <= KEY_MOST:
        return Fault(422, "invalid", f"1 to {KEY_MOST} characters", "Idempotency-Key")
    return None


def _sender(caller: Caller, draft: Draft) -> Fault | None:
    if draft.sender is not None and draft.sender != caller.user_id and not caller.has(SEND):
        return Fault(403, "scope_needed", "writing for somebody else needs scope send", "from")
    return None


def _chooses(caller: Caller, draft: Draft) -> Fault | None:
    chosen = "via" if draft.via else "route" if any(each.account_id for each in draft.route or ()) else ""
    if chosen and not caller.has(SEND):
        return Fault(403, "scope_needed", "choosing the account that sends needs scope send", chosen)
    return None


def _note(caller: Caller, draft: Draft) -> Fault | None:
    """Notes are words to those who answer, in a conversation. Whatever else could make them go somewhere is refused."""
    if not caller.is_team:
        return Fault(403, "scope_needed", "internal notes need a service client with scope manage", "visibility")
    if not draft.conversation_id:
        return Fault(422, "missing", "a note is written in a conversation", "conversation_id")
    for name, given in (("to", draft.to), ("channels", draft.channels), ("via", draft.via or None), ("route", draft.route)):
        if given is not None:
            return Fault(422, "invalid", "a note goes to nobody", name)
    return None if isinstance(draft.payload, Text) else Fault(422, "invalid", "a note is a text", "payload.type")


def _payload(draft: Draft, settings: Settings) -> Fault | None:
    wrong = content_fault(draft.payload, settings.text_limit)
    if wrong:
        code, detail, field = wrong
        return Fault(422, code, detail, f"payload.{field}" if field else "payload")
    data = metadata_fault(data_of(draft.payload))
    if data:
        return Fault(data.status, data.code, data.detail, "payload.data")
    if draft.reply_to and not is_uuid(draft.reply_to):
        return Fault(422, "malformed_uuid", "the message_id of what this answers", "reply_to")
    return None


def _outside_window(draft: Draft, settings: Settings) -> Fault | None:
    wrong = content_fault(draft.outside_window, settings.text_limit) if draft.outside_window else None
    return Fault(422, wrong[0], wrong[1], f"outside_window.template.{wrong[2]}".rstrip(".")) if wrong else None


def _channels(draft: Draft, channels: Collection[str]) -> Fault | None:
    asked = draft.channels
    if asked is None or asked == [ALL]:
        return None
    for name in asked:
        if name not in channels:
            return Fault(422, "unknown_channel", unknown_channel(name), "channels")
    if not asked or len(set(asked)) < len(asked):
        return Fault(422, "invalid", 'names of channels, each once, or ["all"]', "channels")
    return None


def _route(draft: Draft, channels: Mapping[str, Channel], settings: Settings) -> Fault | None:
    wrong = route_fault(draft, channels, settings.text_limit)
    return Fault(422, *wrong) if wrong else None


def _via(draft: Draft, channels: Mapping[str, Channel]) -> Fault | None:
    """An account is of one channel, and can reach people there only."""
    if not draft.via:
        return None
    account = accounts_of(channels).place_of(draft.via)
    if account is None:
        return Fault(422, "unknown_account", "there is no such account that is in use; see GET /v1/accounts", "via")
    channel, places = account[0], [each.partition(":")[0] for each in draft.to or () if ":" in each]
    if draft.channels not in (None, [ALL]) and channel not in (draft.channels or ()):
        return Fault(422, "invalid", f"an account of {channel}, which is not among the channels", "via")
    if any(each != channel for each in places):
        return Fault(422, "invalid", f"an account of {channel} cannot write to addresses of another channel", "via")
    return None


def _to(caller: Caller, draft: Draft, settings: Settings) -> Fault | None:
    to = draft.to
    if to is None:
        return None if draft.conversation_id else Fault(422, "missing", "conversation_id or to is needed", "conversation_id")
    if not 0 < len(to) <= settings.members_limit:
        return Fault(422, "invalid", f"1 to {settings.members_limit} recipients", "to")
    if len(to) > 1 and not draft.conversation_id:
        return Fault(422, "conversation_needed", "several recipients need a conversation: found a group first", "to")
    if not caller.has(SEND) and any(":" in each for each in to):
        return Fault(403, "scope_needed", "writing to an address needs scope send", "to")
    return None
