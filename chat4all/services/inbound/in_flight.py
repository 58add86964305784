"""Messages on their way to an address whose outcome is not known: answers to them, and echoes of them, are matched here."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from unicodedata import normalize

from chat4all.model.content import Choices, Media, own_words, said_by
from chat4all.model.deliveries import LAST_INDEX, Delivery, DeliveryKey, Lane
from chat4all.model.records import partition_of
from chat4all.model.slots import keys_to
from chat4all.ports import Inbound, MessageStore
from chat4all.services.directory import Address

# A contact has few conversations, and what is under way is among the newest.
CONVERSATIONS = 50
NEWEST = 20
# What a key that had waited catches up with lies further back.
FURTHER_BACK = 500
# No holder reads further ahead.
LANE_ROWS = 4_000
# By so much a provider's clock may differ from ours.
CLOCKS_MS = 60_000


def under_way(store: MessageStore, partitions: int, asked: Mapping[str, Collection[Address]]) -> dict[str, str]:
    """By user, the conversation whose message was last on its way to one of these addresses, its outcome still unknown."""
    found: dict[str, tuple[int, str]] = {}
    for user_id, places in asked.items():
        keys = list(_keys(store, partitions, user_id, places))
        for row in (store.deliveries(keys) if keys else {}).values():
            if row.facts.unknown:
                found[user_id] = max(found.get(user_id, (0, "")), (row.facts.attempted_at, row.conversation_id))
    return {user_id: conversation_id for user_id, (_, conversation_id) in found.items()}


def sent_by_us(store: MessageStore, partitions: int, user_id: str, echo: Inbound) -> list[Delivery]:
    """The deliveries that this echo may be of: those whose outcome is not known, or was not once, with the same words.

    An attempt is written before its call, so whoever is told of a send that is ours finds it: behind its lane's cursor, or
    behind a key that waits, or, when the answer has just been written, by the provider's id.
    """
    name = (echo.channel, echo.account, echo.provider_id)
    place = (echo.channel, echo.address)
    lanes = [Lane(echo.channel, each) for each in range(partitions)]
    # The cheap places first.
    places: Iterator[Iterable[Delivery]] = chain(
        (_newest(store, partitions, user_id, place, each) for each in (NEWEST,)),
        (_at_work(store, each, echo.address) for each in lanes),
        (_newest(store, partitions, user_id, place, each) for each in (FURTHER_BACK,)),
    )
    for rows in places:
        ours = {row.key: row for row in rows if row.address == echo.address and _is_open(row, echo) and _says(row, echo)}
        if ours:
            return [ours[key] for key in sorted(ours)]
    return list(store.deliveries(list(store.handles([name]).values())).values())


def _newest(store: MessageStore, partitions: int, user_id: str, place: Address, newest: int) -> Iterable[Delivery]:
    """The rows to this address of so many messages in each of the user's conversations."""
    keys = list(_keys(store, partitions, user_id, [place], newest))
    return (store.deliveries(keys) if keys else {}).values()


def _at_work(store: MessageStore, lane: Lane, address: str) -> Iterator[Delivery]:
    """The rows of a lane that a holder may be sending now."""
    state = store.lanes([lane])[lane]
    if state.fanned > state.cursor:
        yield from store.lane_rows(lane, (state.cursor, LAST_INDEX), state.fanned, LANE_ROWS)
    for head in store.waiting(lane):
        if head.address == address:
            messages = store.page(head.conversation_id, head.seq - 1, None, NEWEST)
            keys = [key for each in messages for key in keys_to(each, [(lane.channel, address)], lane.partition)]
            yield from (store.deliveries(keys) if keys else {}).values()


def _is_open(row: Delivery, echo: Inbound) -> bool:
    """Whether a call whose answer nobody has may have made it. When a send has its answer, all calls for it were made."""
    facts = row.facts
    was_lost = facts.resends > 0 and (not facts.sent_at or echo.at <= facts.sent_at + CLOCKS_MS)
    return facts.unknown or was_lost or facts.provider_id == echo.provider_id


def _says(row: Delivery, echo: Inbound) -> bool:
    """Whether this is what was sent. Files go as they are, or as words with a link that differs each time.

    Of choices the question comes back, with the answers or without.
    """
    text, echoed = _plain(said_by(row.sender_name, own_words(row.payload))), _plain(echo.text)
    if isinstance(row.payload, Choices):
        return _plain(row.payload.text) in echoed
    if not isinstance(row.payload, Media):
        return echoed == text
    return echoed.startswith(text or _plain(row.payload.filename)) or bool(echo.media and not row.payload.text)


def _plain(text: str) -> str:
    """The words alone: a platform may write letters in another of their forms, and set blanks and lines anew."""
    return " ".join(normalize("NFC", text).split())


def _keys(
    store: MessageStore, partitions: int, user_id: str, places: Collection[Address], newest: int = NEWEST
) -> Iterator[DeliveryKey]:
    for name in store.conversations_of(user_id)[-CONVERSATIONS:]:
        for message in store.page(name, None, None, newest):
            yield from keys_to(message, places, partition_of(name, partitions))
