"""Tells what becomes of contacts. What is not told yet stands in the profile: whoever says the same again tells it."""

from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import CREATED, UPDATED, Profile
from chat4all.model.conversations import User
from chat4all.model.events import Event, encode
from chat4all.model.ids import contact_event_id
from chat4all.model.records import partition_of
from chat4all.ports import EventLog, MessageStore
from chat4all.v1 import chat_pb2 as pb


def contact_event(user: User, profile: Profile, change: str, partitions: int) -> Event:
    """A contact as it is now; of one that was made, as it was then. `partitions`: how many chat-events has."""
    if change == CREATED:
        profile = Profile(user.user_id, changed_at=user.created_at)
    about = pb.ContactEvent(
        contact_id=user.user_id,
        contact_version=profile.version,
        change=change,
        display_name=user.display_name,
        tags=profile.tags,
        consents={channel: each.state for channel, each in profile.consents.items()},
        blocked=bool(profile.blocked_at),
        changed_by=profile.changed_by,
    )
    event_id = contact_event_id(user.user_id, profile.version, change)
    body = pb.Event(event_id=event_id, at_ms=profile.changed_at, contact=about)
    partition = partition_of(user.user_id, partitions)
    return Event(
        "contact", "", partition, body.SerializeToString(deterministic=True), subject=user.user_id, rank=profile.version
    )


def renamed(store: MessageStore, user_ids: Iterable[str]) -> list[str]:
    """These call themselves otherwise: to be told of them."""
    ids, now = list(user_ids), now_ms()
    for each in ids:
        store.change_profile(each, partial(touched, now, ""))
    return ids


def touched(now: int, by: str, there: Profile) -> Profile:
    """Something beside what is kept here was changed, by this user; empty: by the contact."""
    return there.changing(replace(there, changed_at=max(now, there.changed_at + 1), changed_by=by), UPDATED)


class ContactNews:
    """What readers are to be told of contacts. Thread-safe: it keeps nothing. `partitions`: how many chat-events has."""

    def __init__(self, store: MessageStore, partitions: int) -> None:
        self._store, self._partitions = store, partitions

    def of(self, changed: Iterable[str] = (), made: Iterable[User] = ()) -> list[Event]:
        """That these were made, and what is untold of these that were changed."""
        events = [contact_event(each, Profile(each.user_id), CREATED, self._partitions) for each in made]
        ids = list(dict.fromkeys(changed))
        if ids:
            users, profiles = self._store.users(ids), self._store.profiles(ids)
            untold = [(users[each], profiles[each]) for each in ids if each in users]
            events += [contact_event(user, kept, what, self._partitions) for user, kept in untold for what in kept.unsaid]
        return events

    def settle(self, events: Iterable[Event]) -> None:
        """Readers were told of these."""
        for user_id, version in {(each.subject, each.rank) for each in events if each.rank}:
            self._store.change_profile(user_id, partial(_said, version))

    def tell(self, log: EventLog, user_ids: Sequence[str], timeout_s: float, made: Iterable[User] = ()) -> None:
        """Publish what is untold of these, and note that it was. Raises as the log does: then it stays untold."""
        events = self.of(user_ids, made)
        if events:
            log.append([encode(each) for each in events], timeout_s)
            self.settle(events)


def _said(version: int, there: Profile) -> Profile:
    return replace(there, unsaid=()) if there.version == version else there
