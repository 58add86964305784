"""Messages that are to be sent later: what is kept of one until then. Pure; no I/O. Times are ms UTC.

Each is a deferred record. When it is due everything is looked at again, and what comes of that is decided once: the frozen
message, or the refusal, is written into the record by compare-and-set before anything follows from it.
"""

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import DAY_MS
from chat4all.model.conversations import Membership
from chat4all.model.deferred_records import (
    CANCELLED,
    REFUSED,
    RELEASED,
    RELEASING,
    WAITING,
    DeferredRecord,
)
from chat4all.model.drafts import Draft
from chat4all.model.messages import Message
from chat4all.model.records import VERSION

SCHEDULED = "scheduled"
# The list in which all of a workspace stand.
EVERY = "scheduled-messages"
AHEAD_MOST_MS = 90 * DAY_MS
# Clocks differ, and a request takes its time: what was to be sent so long ago is sent now.
BEHIND_MOST_MS = 60_000
# What the API calls the states.
STATES = {
    WAITING: "scheduled",
    RELEASING: "sending",
    RELEASED: "accepted",
    CANCELLED: "cancelled",
    REFUSED: "rejected",
}


class ScheduledMessage(Struct, frozen=True, omit_defaults=True):
    """The body of such a record. `digest`: of what was asked first, whatever was changed since. `caller`: who asked.

    `conversation_id`: where it goes, as far as that was known then. `message`, or `refused`: what was decided when it was due,
    and `founds`: the conversation that is founded with it. `version`: of the format of records (chat4all/model/records.py).
    """

    message_id: str
    conversation_id: str
    sender: str
    caller: Caller
    draft: Draft
    digest: str
    message: Message | None = None
    founds: Membership | None = None
    refused: str = ""
    version: int = 1

    @property
    def is_decided(self) -> bool:
        """Whether it is known what comes of it."""
        return bool(self.message or self.refused)

    @property
    def body(self) -> dict[str, Any]:
        """As the record keeps it."""
        made: dict[str, Any] = msgspec.to_builtins(replace(self, version=VERSION))
        return made


def record_id_of(message_id: str) -> str:
    """The record of the message with this id: a workspace has one."""
    return f"{SCHEDULED}:{message_id}"


def new_record(said: ScheduledMessage, due_at: int, now: int) -> DeferredRecord:
    """Its record, as it waits."""
    return DeferredRecord(record_id_of(said.message_id), SCHEDULED, due_at, said.body, now, EVERY, changed_at=now)


def is_newer(record: DeferredRecord) -> bool:
    """Whether newer code than this wrote it: this would lose some of it."""
    return int(record.body.get("version", 1)) > VERSION


def read_scheduled(record: DeferredRecord) -> ScheduledMessage:
    """What waits in a record of the kind SCHEDULED."""
    return msgspec.convert(record.body, ScheduledMessage)


def decided(record: DeferredRecord, said: ScheduledMessage, now: int) -> DeferredRecord:
    """The record, which is being released, with what was decided."""
    return replace(record.to(RELEASING, now), body=said.body)
