"""Whether an edit changes the text: providers report an edit also when only the preview of a link was added."""

from collections.abc import Sequence
from typing import Protocol

from chat4all.model.content import Content, Edit, Media, own_words
from chat4all.model.ids import inbound_file_id
from chat4all.model.messages import Message
from chat4all.ports import Arrived, Inbound, MessageStore

MARK = "[edited] "
LOOKED_AT = 50
# Edits that follow each other so soon may still be on their way to the store: none of them is left out.
WINDOW_MS = 15_000


class Edition(Protocol):
    """An edit on its way, as these rules need it."""

    inbound: Inbound
    message_id: str
    owner: str

    @property
    def conversation_id(self) -> str:
        """Where it goes."""


def originals(store: MessageStore, edits: Sequence[Edition], proposals: Sequence[str]) -> list[str]:
    """The message_id of what each edits; `proposals`: what these would be, should nobody have seen them yet."""
    keys = [
        (each.inbound.channel, each.inbound.account, each.inbound.edits, Arrived(each.conversation_id, proposal, each.owner))
        for each, proposal in zip(edits, proposals, strict=True)
    ]
    return [kept.message_id or proposal for kept, proposal in zip(store.register_inbound(keys), proposals, strict=True)]


def is_news(store: MessageStore, edit: Edition, original: str, now: int) -> bool:
    """Whether its words differ from the newest that are stored of this message, as far as anybody knows. `now`: ms UTC."""
    newest = _newest(store, edit, original)
    if newest is None or newest.message_id == edit.message_id or not _is_alone(store, edit, now):
        return True
    return not _is_same(store, newest, edit.inbound)


def _newest(store: MessageStore, edit: Edition, original: str) -> Message | None:
    page = store.page(edit.conversation_id, None, None, LOOKED_AT)
    return next((each for each in reversed(page) if original in {each.message_id, _edited_by(each)}), None)


def _edited_by(message: Message) -> object:
    """What it edits; older code said it in the metadata."""
    return message.payload.target if isinstance(message.payload, Edit) else message.metadata.get("edits")


def _is_alone(store: MessageStore, edit: Edition, now: int) -> bool:
    """Whether no other edit of the message came a moment ago: then all that came is stored."""
    inbound, ours = edit.inbound, Arrived(edit.conversation_id, edit.message_id, edit.owner)
    current = now // WINDOW_MS
    marks = [f"{inbound.edits}:edited:{window}" for window in (current - 1, current)]
    kept = store.register_inbound([(inbound.channel, inbound.account, mark, ours) for mark in marks])
    return all(each.message_id == edit.message_id for each in kept)


def _is_same(store: MessageStore, newest: Message, inbound: Inbound) -> bool:
    said, content = _said(newest), inbound.content
    now = content.content.as_text() if isinstance(content, Edit) else inbound.text.removeprefix(MARK)
    if own_words(said).removeprefix(MARK) != now:
        return False
    if not isinstance(said, Media):
        return not inbound.media
    file = store.files([inbound_file_id(newest.message_id)]).get(inbound_file_id(newest.message_id))
    return file is not None and file.media == inbound.media


def _said(message: Message) -> Content:
    return message.payload.content if isinstance(message.payload, Edit) else message.payload
