"""Echoes: what an account sent to a person comes back, whoever sent it. Our own is a receipt; a colleague's is a message.

An attempt is written before its call, so an echo whose words are in no open delivery is a colleague's. Of one open delivery it
is the receipt. While several with the same words are open nobody can tell whether it is one of them, or a colleague's: it waits
for the answers to their calls. Where those never come, it is one of theirs.
"""

from collections.abc import Sequence

from msgspec import Struct

from chat4all.model.deliveries import DeliveryKey
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Inbound, MessageStore
from chat4all.services.inbound.in_flight import sent_by_us

OWN = "own"
OPEN = "open"
COLLEAGUES = "colleagues"
# OWN: its id is known already, so it says nothing new.
Word = ProviderReceipt | str


class Echo(Struct, frozen=True):
    """An echo. `since`: when it came (ms UTC), where it waited since; 0: it has just come. `is_over`: it waited enough."""

    inbound: Inbound
    since: int = 0
    is_over: bool = False


def decided(store: MessageStore, partitions: int, echoes: Sequence[Echo]) -> list[Word]:
    """What each is: a receipt, OWN, COLLEAGUES, or OPEN where nobody can tell yet."""
    if not echoes:
        return []
    known = store.handles([_name(each.inbound) for each in echoes])
    owners = store.owners([(each.inbound.channel, each.inbound.address) for each in echoes])
    taken: set[DeliveryKey] = set()
    found: list[Word] = []
    for each in echoes:
        owner = owners.get((each.inbound.channel, each.inbound.address))
        if _name(each.inbound) in known:
            found.append(OWN)
        elif owner is None or each.inbound.is_history:
            found.append(COLLEAGUES)
        else:
            found.append(_decided(store, partitions, owner.user_id, each, taken))
    return found


def _decided(store: MessageStore, partitions: int, user_id: str, echo: Echo, taken: set[DeliveryKey]) -> Word:
    rows = sent_by_us(store, partitions, user_id, echo.inbound)
    if any(row.facts.provider_id == echo.inbound.provider_id for row in rows):
        return OWN
    if echo.since:
        # What was accepted later is none that it can be of; of two that waited each is of another.
        rows = [row for row in rows if row.accepted_at <= echo.since and row.key not in taken]
        is_open = any(row.facts.unknown for row in rows) and not echo.is_over
    else:
        is_open = len(rows) > 1
    if is_open:
        return OPEN
    if not rows:
        return COLLEAGUES
    taken.add(rows[0].key)
    return _receipt(echo.inbound, rows[0].key)


def settled(inbound: Inbound, word: Word) -> Inbound | ProviderReceipt | None:
    """What is to be accepted of an echo: nothing of what is known."""
    if isinstance(word, ProviderReceipt):
        return word
    return inbound if word == COLLEAGUES else None


def _receipt(echo: Inbound, key: DeliveryKey) -> ProviderReceipt:
    """An echo of ours proves that the provider took it, and says under which id."""
    return ProviderReceipt(echo.channel, echo.account, echo.provider_id, "sent", echo.at, reference=str(key))


def _name(inbound: Inbound) -> tuple[str, str, str]:
    return inbound.channel, inbound.account, inbound.provider_id
