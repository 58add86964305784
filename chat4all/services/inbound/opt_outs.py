"""Who writes STOP gets no more broadcasts on that channel, until they write START."""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import Profile, asks_to_stop
from chat4all.ports import Inbound, MessageStore


def opt_out(store: MessageStore, wrote: Iterable[tuple[Inbound, str]]) -> None:
    """These people wrote so, with their user ids. Asks the store nothing where nobody says one of the words alone."""
    for each, user_id in wrote:
        stops = asks_to_stop(each.text)
        if stops is not None and not each.speaker:
            store.change_profile(user_id, partial(_said, each.channel, stops))


def _said(channel: str, stops: bool, profile: Profile) -> Profile:
    if stops == (channel in profile.opted_out):
        return profile
    opted_out = {*profile.opted_out, channel} if stops else set(profile.opted_out) - {channel}
    return replace(profile, opted_out=tuple(sorted(opted_out)), changed_at=now_ms(), changed_by="")
