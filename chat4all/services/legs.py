"""The later legs of messages: which of them were begun."""

from collections.abc import Sequence

from chat4all.model.messages import Message
from chat4all.model.routes import later_legs
from chat4all.ports import MessageStore

Place = tuple[str, int]


def begun_legs(store: MessageStore, messages: Sequence[Message]) -> dict[Place, list[Message]]:
    """The records of the later legs that were begun, at their places, by (conversation, seq) of the message.

    Of each person in turn, in the order of the legs. Messages without a route are absent, and cost nothing.
    """
    legs = {(each.conversation_id, each.seq): list(later_legs(each)) for each in messages if each.route and not each.leg}
    if not legs:
        return {}
    said = store.registered([(leg.conversation_id, leg.message_id) for some in legs.values() for leg in some])
    return {
        place: [leg.placed(said[name].seq) for leg in some if (name := (leg.conversation_id, leg.message_id)) in said]
        for place, some in legs.items()
    }
