"""Where something was said that only says what it is about: a vote names its poll, and neither chat nor message."""

from collections.abc import Sequence

from msgspec.structs import replace

from chat4all.ports import Inbound, MessageStore


def located(store: MessageStore, inbound: Sequence[Inbound]) -> list[Inbound]:
    """The same, each with the address that its target went to. Who has that address alone needs no name beside it.

    Without an address stays what says nothing of its own. Asks the store only where there is such a thing.
    """
    names = {(each.channel, each.account, each.about) for each in inbound if each.is_where_target_is}
    if not names:
        return list(inbound)
    keys = store.handles(list(names))
    rows = store.deliveries(list(set(keys.values())))
    went = {name: rows[key].address for name, key in keys.items() if key in rows}
    return [
        _placed(each, went.get((each.channel, each.account, each.about), "")) if each.is_where_target_is else each
        for each in inbound
    ]


def _placed(inbound: Inbound, address: str) -> Inbound:
    """At this address; empty: at the one that it came with."""
    there = address or inbound.address
    if there != inbound.speaker_id:
        return replace(inbound, address=there)
    return replace(inbound, address=there, speaker="", speaker_id="", sender_name=inbound.speaker)
