"""While a human answers in a conversation, bots are silent there."""

from collections.abc import Sequence

from chat4all.model.callers import Caller
from chat4all.model.conversations import UserKind
from chat4all.ports import MessageStore
from chat4all.services.acceptance.draft_work import Work


def is_bot(caller: Caller) -> bool:
    """Whether this is a program that answers by itself: a service client that is not of those who answer."""
    return caller.kind is UserKind.CLIENT and not caller.is_team


def refuse_bots(store: MessageStore, caller: Caller, works: Sequence[Work]) -> None:
    """Refuse what a bot says where a human answers. Reads nothing where nobody handles conversations."""
    if not works or not is_bot(caller) or not store.handles_any():
        return
    handled = store.handlings(list({work.conversation_id for work in works}))
    for work in works:
        if handled[work.conversation_id].handler == "human":
            work.refuse(409, "handled_by_human", "a human answers here: say nothing until that is over", "conversation_id")
