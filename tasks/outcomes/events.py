"""Makes the events of chat-events. They are serialised here once, and these bytes are sent to every reader."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Media, Text, own_words
from chat4all.model.content_proto import to_proto
from chat4all.model.deliveries import RANK, Delivery, Watermark, folded, reason, state
from chat4all.model.events import NOTED, Event, encode
from chat4all.model.ids import position_event_id, rejected_event_id, state_event_id
from chat4all.model.messages import Message, Origin
from chat4all.model.records import CONTENT_VERSION, partition_of, version_of
from chat4all.ports import Change, EventLog, MessageStore
from chat4all.telemetry.tracing import recorded
from chat4all.v1 import chat_pb2 as pb

TIMEOUT_S = 10.0
# Readers resume a minute before what they were told last. What is told later than this after it was noted is noted again.
PROMPT_MS = 30_000


def message_event(message: Message, partitions: int) -> Event:
    """A message, as its readers see it. A rerun makes the same bytes."""
    payload, kind = message.payload, "note" if message.is_internal else "message"
    event = pb.Event(event_id=message.message_id, at_ms=message.accepted_at)
    said: pb.MessageEvent = getattr(event, kind)
    said.MergeFrom(
        pb.MessageEvent(
            message_id=message.message_id,
            conversation_id=message.conversation_id,
            seq=message.seq,
            sender=message.sender,
            text=own_words(payload),
            file=_file(payload) if isinstance(payload, Media) else None,
            metadata_json=msgspec.json.encode(message.metadata).decode() if message.metadata else "",
            accepted_at_ms=message.accepted_at,
            members_version=message.members_version,
            channels=sorted({each.channel for each in message.recipients}),
            account_ids=_accounts(message),
            sender_name=message.sender_name,
        )
    )
    if version_of(message) >= CONTENT_VERSION:
        said.MergeFrom(_more(message))
    return Event(
        kind,
        message.conversation_id,
        partition_of(message.conversation_id, partitions),
        # Maps have no order of their own.
        event.SerializeToString(deterministic=True),
        seq=message.seq,
        version=message.members_version,
        trace=recorded(message.trace),
        message_id=message.message_id,
    )


def _accounts(message: Message) -> list[str]:
    """Those that it goes out from, unless that is the environment's alone."""
    if not any(each.account for each in message.recipients):
        return []
    return sorted({each.account or each.channel for each in message.recipients})


def _more(message: Message) -> pb.MessageEvent:
    """What only some messages say: content that is neither words nor a file, what they point at, where they come from."""
    payload = message.payload
    return pb.MessageEvent(
        content=None if isinstance(payload, (Text, Media)) else to_proto(payload),
        reply_to=message.reply_to,
        origin=_origin(message.origin) if message.origin else None,
        forwarded=message.forwarded,
        referral=message.referral,
    )


def _file(media: Media) -> pb.FilePayload:
    return pb.FilePayload(
        file_id=media.file_id, filename=media.filename, mime_type=media.mime_type, size=media.size, kind=media.kind
    )


def _origin(origin: Origin) -> pb.Origin:
    """Without the person's address."""
    return pb.Origin(
        channel=origin.channel,
        account=origin.account,
        provider_id=origin.provider_id,
        provider_at_ms=origin.at,
        app=origin.app,
        group_id=origin.group_id,
        account_id=origin.account_id,
    )


def as_one(store: MessageStore, rows: Sequence[Delivery]) -> list[Delivery]:
    """Deliveries as their recipients see them: a part stands for all parts, with what is true of them together, read now.

    To be asked after what is new of one was written: then of two that learn something at once one sees both.
    """
    keys = [key for row in rows if row.parts > 1 for key in row.siblings()]
    if not keys:
        return list(rows)
    kept = store.deliveries(keys)
    return [
        replace(row, facts=folded([kept[key].facts for key in row.siblings() if key in kept] or [row.facts]))
        if row.parts > 1
        else row
        for row in rows
    ]


def state_event(delivery: Delivery, at: int, partitions: int) -> Event:
    """A delivery's state as its facts say it. `rank` lets whoever passes events on drop one that a later one overtook.

    All parts of what goes to one recipient are told under the first one's name.
    """
    now, key = state(delivery.facts), delivery.siblings()[0]
    event = pb.Event(
        event_id=state_event_id(str(key), now),
        at_ms=at,
        state=pb.StateEvent(
            message_id=delivery.message_id,
            conversation_id=delivery.conversation_id,
            seq=delivery.first_seq or delivery.key.seq,
            recipient=delivery.user_id,
            channel=delivery.key.lane.channel,
            state=now.value,
            reason=reason(delivery.facts),
            account_id=delivery.account,
        ),
    )
    return Event(
        "state",
        delivery.conversation_id,
        partition_of(delivery.conversation_id, partitions),
        event.SerializeToString(),
        subject=str(key),
        rank=RANK[now],
        trace=recorded(delivery.trace),
        message_id=delivery.message_id,
    )


def position_event(mark: Watermark, at: int, partitions: int) -> Event:
    """How far a member has come. `rank` and `further` let whoever passes events on drop one that a later one overtook."""
    event = pb.Event(
        event_id=position_event_id(mark.conversation_id, mark.user_id, mark.delivered_up_to, mark.read_up_to),
        at_ms=at,
        position=pb.PositionEvent(
            conversation_id=mark.conversation_id,
            user_id=mark.user_id,
            delivered_up_to=mark.delivered_up_to,
            read_up_to=mark.read_up_to,
        ),
    )
    return Event(
        "position",
        mark.conversation_id,
        partition_of(mark.conversation_id, partitions),
        event.SerializeToString(),
        subject=mark.user_id,
        rank=mark.delivered_up_to,
        further=mark.read_up_to,
    )


def rejected_event(message: Message, why: str, partitions: int) -> Event:
    """A record that did not become a message; told to its sender only."""
    subject = f"{message.message_id} {message.seq} {why} {message.sender}"
    return rejection(message.conversation_id, subject, message.accepted_at, partitions)


def rejection(conversation_id: str, subject: str, at: int, partitions: int) -> Event:
    """The same of what was noted: message id, seq, reason and sender, with blanks between."""
    message_id, seq, why, sender = subject.split(" ", 3)
    event = pb.Event(
        event_id=rejected_event_id(message_id, seq),
        at_ms=at,
        rejected=pb.RejectedEvent(message_id=message_id, conversation_id=conversation_id, reason=why),
    )
    partition = partition_of(conversation_id, partitions)
    return Event("rejected", conversation_id, partition, event.SerializeToString(), user=sender, subject=subject)


def publish(log: EventLog, events: Sequence[Event]) -> None:
    """Append events; on return they are durable."""
    if events:
        log.append([encode(each) for each in events], TIMEOUT_S)


def learned(events: Iterable[Event], at: int) -> list[Change]:
    """What these events tell anew, as the store notes it before they are published. Messages are found by their seq."""
    return [Change(each.conversation_id, at, each.kind, each.subject) for each in events if each.kind in NOTED]


def tell(store: MessageStore, log: EventLog, events: Sequence[Event], noted_at: int) -> None:
    """Publish events whose changes were noted at this time (ms UTC); on return they are durable.

    Who was frozen in between tells them once more: meanwhile a reader may have been told younger ones, and have gone.
    """
    publish(log, events)
    while events and now_ms() - noted_at > PROMPT_MS:
        noted_at = now_ms()
        store.note_changes(learned(events, noted_at))
        publish(log, events)
