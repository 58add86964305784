"""A draft is what a sender gives; Accepted or Refused is the answer. The same for REST and gRPC."""

from typing import Any

from msgspec import Struct


class TextDraft(Struct, frozen=True, tag="text", forbid_unknown_fields=True):
    """Words to send."""

    text: str


class FileDraft(Struct, frozen=True, tag="file", forbid_unknown_fields=True):
    """A complete file to send, with an optional caption."""

    file_id: str
    text: str = ""


class Draft(Struct, frozen=True):
    """A message as its sender wrote it. `conversation_id`, or `to` with one user id or channel:address, or both.

    Beside a conversation `to` limits external delivery to some members. `sender` is the caller when empty.
    `channels` None: left out. ["all"]: every verified address. `key` in place of a message_id: an Idempotency-Key.
    """

    payload: TextDraft | FileDraft
    message_id: str | None = None
    conversation_id: str | None = None
    to: list[str] | None = None
    sender: str | None = None
    channels: list[str] | None = None
    metadata: dict[str, Any] = {}
    key: str | None = None


class Accepted(Struct, frozen=True):
    """Durable in the log, or stored already with the same body."""

    message_id: str
    conversation_id: str


class Refused(Struct, frozen=True, omit_defaults=True):
    """Not accepted. `status` is the HTTP status, `code` is stable, `field` names the culprit (dots between levels).

    503 `outcome_unknown` may still happen: the sender repeats it with the same `message_id` after `retry_after` seconds.
    """

    status: int
    code: str
    detail: str
    field: str = ""
    message_id: str = ""
    conversation_id: str = ""
    retry_after: int = 0
