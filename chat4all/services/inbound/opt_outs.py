"""Who writes STOP gets no more broadcasts on that channel, until they write START."""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import Profile, asks_to_stop
from chat4all.ports import MessageStore
from chat4all.services.inbound.inbound_message import Arrival


def opt_out(store: MessageStore, arrivals: Iterable[Arrival]) -> None:
    """What these people say. The newest word counts, by the provider's time: one that is brought again changes nothing.

    Asks the store nothing where nobody says one of the words alone. What somebody says in a group is no such word.
    """
    for each in arrivals:
        said = each.inbound
        stops = None if said.is_echo or said.is_history or said.speaker else asks_to_stop(said.text)
        if stops is not None:
            store.change_profile(each.owner, partial(_said, said.channel, stops, said.at))


def _said(channel: str, stops: bool, at: int, profile: Profile) -> Profile:
    newest = profile.word_at.get(channel, 0)
    if at < newest or (at == newest and stops == (channel in profile.opted_out)):
        return profile
    opted_out = {*profile.opted_out, channel} if stops else set(profile.opted_out) - {channel}
    word_at = profile.word_at | {channel: at}
    return replace(profile, opted_out=tuple(sorted(opted_out)), word_at=word_at, changed_at=now_ms(), changed_by="")
