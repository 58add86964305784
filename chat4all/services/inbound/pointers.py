"""What an inbound message points at: providers name it by their ids, and we by message_ids of the same conversation.

A provider's id is ours where it went out to this very address, or came in from it. What is unknown here may have been said
before we were there: such a reaction or answer is kept all the same, with an empty `target`.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from chat4all.model import option_tokens
from chat4all.model.content import Choices
from chat4all.model.deliveries import Delivery, DeliveryKey
from chat4all.model.messages import Message
from chat4all.ports import Inbound, MessageStore

Id = tuple[str, str, str]


class Pointed(Struct, frozen=True):
    """The message_ids that an arrival points at, empty where they are not known.

    `option`: what was chosen, as (message_id of the choices, option id, title), where that is known.
    """

    reply_to: str = ""
    about: str = ""
    option: tuple[str, str, str] | None = None


NOWHERE = Pointed()


def pointed(store: MessageStore, arrivals: Sequence[tuple[Inbound, str]]) -> list[Pointed]:
    """For each inbound message, with the conversation that it goes to, what it points at."""
    names = list({name for each, _ in arrivals for name in _names(each)})
    tokens = {each.option: read for each, _ in arrivals if each.option and (read := option_tokens.read(each.option))}
    if not names and not tokens:
        return [NOWHERE] * len(arrivals)
    handles = store.handles(names) if names else {}
    rows = store.deliveries(list({*handles.values(), *(key for key, _ in tokens.values())}))
    arrived = store.arrived([each for each in names if each not in handles]) if len(handles) < len(names) else {}
    asked = _asked(store, tokens, rows)

    def message_id(name: Id, inbound: Inbound, conversation_id: str) -> str:
        row = rows.get(handles[name]) if name in handles else None
        if row:
            return row.message_id if _is_to(row, inbound) and row.conversation_id == conversation_id else ""
        there = arrived.get(name)
        return there.message_id if there and there.conversation_id == conversation_id else ""

    found = []
    for inbound, conversation_id in arrivals:
        ids = {name[2]: message_id(name, inbound, conversation_id) for name in _names(inbound)}
        option = _option(inbound, tokens, rows, asked)
        about = ids.get(inbound.about, "") or (option[0] if option else "")
        found.append(Pointed(ids.get(inbound.reply_to, ""), about, option))
    return found


def _names(inbound: Inbound) -> Iterable[Id]:
    ids = dict.fromkeys(each for each in (inbound.reply_to, inbound.about) if each)
    return ((inbound.channel, inbound.account, each) for each in ids)


def _is_to(row: Delivery, inbound: Inbound) -> bool:
    """Whether it went to this very person: ids of another's messages say nothing here."""
    return (row.key.lane.channel, row.address) in inbound.places


def _asked(
    store: MessageStore, tokens: Mapping[str, tuple[DeliveryKey, int]], rows: Mapping[DeliveryKey, Delivery]
) -> dict[DeliveryKey, Message]:
    """The messages whose choices went out in the deliveries that tokens name."""
    places = {key: (rows[key].conversation_id, rows[key].first_seq or key.seq) for key, _ in tokens.values() if key in rows}
    kept = store.messages(list(set(places.values()))) if places else {}
    return {key: kept[place] for key, place in places.items() if place in kept}


def _option(
    inbound: Inbound,
    tokens: Mapping[str, tuple[DeliveryKey, int]],
    rows: Mapping[DeliveryKey, Delivery],
    asked: Mapping[DeliveryKey, Message],
) -> tuple[str, str, str] | None:
    if inbound.option not in tokens:
        return None
    key, number = tokens[inbound.option]
    row, message = rows.get(key), asked.get(key)
    if row is None or message is None or not _is_to(row, inbound) or not isinstance(message.payload, Choices):
        return None
    options = message.payload.options
    if not 0 < number <= len(options):
        return None
    return message.message_id, options[number - 1].id, options[number - 1].title
