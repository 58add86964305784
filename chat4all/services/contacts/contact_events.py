"""Tells what becomes of contacts. What is not told yet stands in the profile: whoever says the same again tells it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import CREATED, MERGED, UNMERGED, UPDATED, Profile
from chat4all.model.conversations import User
from chat4all.model.events import Event, encode
from chat4all.model.ids import contact_event_id
from chat4all.model.merges import Family
from chat4all.model.records import partition_of
from chat4all.ports import EventLog, MessageStore
from chat4all.services.contacts.families import families
from chat4all.v1 import chat_pb2 as pb


def contact_event(user: User, profile: Profile, change: str, partitions: int) -> Event:
    """A contact as it is now; of one that was made, as it was then. `partitions`: how many chat-events has."""
    if change == CREATED:
        profile = Profile(user.user_id, changed_at=user.created_at)
    merge = profile.merges[-1] if profile.merges and change in (MERGED, UNMERGED) else None
    about = pb.ContactEvent(
        contact_id=user.user_id,
        contact_version=profile.version,
        change=change,
        display_name=user.display_name,
        tags=profile.tags,
        consents={channel: each.state for channel, each in profile.consents.items()},
        blocked=bool(profile.blocked_at),
        changed_by=profile.changed_by,
        merged_into=merge.into if merge else "",
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
            events += self._untold(self._passed_on(ids))
        return events

    def _passed_on(self, ids: Sequence[str]) -> Mapping[str, Family]:
        """What became of who was merged is news of the contact that they are now; that they were merged is their own."""
        found = families(self._store, ids)
        for each in ids:
            root, unsaid = found[each].root, found[each].profiles[each].unsaid
            news = [what for what in unsaid if what not in (MERGED, UNMERGED)]
            if root != each and news:
                self._store.change_profile(root, partial(_told_of, news, now_ms()))
                self._store.change_profile(each, partial(_settled, news))
        roots = (found[each].root for each in ids)
        return families(self._store, [*ids, *roots])

    def _untold(self, found: Mapping[str, Family]) -> list[Event]:
        users = self._store.users(list({member for each in found.values() for member in each.profiles}))
        events = []
        for user_id, family in found.items():
            is_root, kept = user_id == family.root, family.profiles[user_id]
            for what in kept.unsaid if user_id in users and family.root in users else ():
                if what in (MERGED, UNMERGED):
                    events.append(contact_event(users[user_id], kept, what, self._partitions))
                elif is_root:
                    events.append(contact_event(family.called(users), family.whole, what, self._partitions))
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


def _told_of(news: Iterable[str], now: int, there: Profile) -> Profile:
    wanted = replace(there, changed_at=max(now, there.changed_at + 1), changed_by="")
    return replace(wanted, unsaid=tuple(dict.fromkeys((*there.unsaid, *news))))


def _settled(news: Sequence[str], there: Profile) -> Profile:
    return replace(there, unsaid=tuple(each for each in there.unsaid if each not in news))


def _said(version: int, there: Profile) -> Profile:
    return replace(there, unsaid=()) if there.version == version else there
