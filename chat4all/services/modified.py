"""What was said of messages later, looked up for many at once: one question for a page, none where there is no message."""

from collections.abc import Mapping, Sequence

from chat4all.model.content import Deletion, Edit
from chat4all.model.messages import Message
from chat4all.model.modifiers import Modification, Place
from chat4all.ports import MessageStore


def modifications_of(store: MessageStore, messages: Sequence[Message]) -> Mapping[Place, list[Modification]]:
    """By the place of each message: what counts of it. Of an edit the deletion of its target: its words go with those."""
    edited = _edited(store, messages)
    found = store.modifications([*((each.conversation_id, each.seq) for each in messages), *edited.values()])
    if not edited:
        return found
    gone = {
        edit: [each for each in found.get(target, ()) if isinstance(each.content, Deletion)] for edit, target in edited.items()
    }
    return {**found, **gone}


def _edited(store: MessageStore, messages: Sequence[Message]) -> dict[Place, Place]:
    """Where the targets of edits are, by the place of the edit."""
    edits = {(each.conversation_id, each.seq): each.payload.target for each in messages if isinstance(each.payload, Edit)}
    wanted = {edit: (edit[0], target) for edit, target in edits.items() if target}
    kept = store.registered(list(set(wanted.values()))) if wanted else {}
    return {edit: (edit[0], kept[target].seq) for edit, target in wanted.items() if target in kept}
