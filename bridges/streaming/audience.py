"""Who may see an event: what is known of conversations' members, at the version that the event needs. Pure rules; no I/O."""

from collections.abc import Collection, Iterable

from chat4all.model.conversations import Membership
from chat4all.model.events import TEAM_ONLY, Event

# Who may read these is who may read a message of that version.
READ_AT = frozenset({"message", "file"})


def readers(membership: Membership, version: int) -> set[str]:
    """Everybody whom `Membership.may_read` lets read a message accepted at `version`, in one pass."""
    stays = [stay for stay in membership.members if not stay.left or version < stay.left]
    return {stay.user_id for stay in stays if membership.conversation.open_history or stay.joined <= version}


class Memberships:
    """What is known of conversations, at the version that events ask for. Bounded: what was loaded longest ago goes first."""

    def __init__(self, most: int = 50_000, fresh_ms: int = 60_000) -> None:
        self._known: dict[str, tuple[Membership, int]] = {}
        self._most = most
        self._fresh_ms = fresh_ms

    def stale(self, events: Iterable[Event], now_ms: int) -> set[str]:
        """The conversations to load before these events can be dispatched.

        A message or file says which version it needs; what else is told goes by what was known within `fresh_ms`.
        """
        return {event.conversation_id for event in events if self._is_stale(event, now_ms)}

    def _is_stale(self, event: Event, now_ms: int) -> bool:
        if event.user or event.kind in TEAM_ONLY or not event.conversation_id:
            return False
        membership, loaded_at = self._known.get(event.conversation_id, (None, 0))
        if membership is None or event.kind == "conversation":
            return True
        if event.kind in READ_AT:
            return membership.version < event.version
        return now_ms - loaded_at > self._fresh_ms

    def put(self, memberships: Iterable[Membership], now_ms: int) -> None:
        """These were loaded at `now_ms`. An older version never replaces a newer one."""
        for membership in memberships:
            name = membership.conversation.conversation_id
            known = self._known.pop(name, None)
            newest = membership if known is None or known[0].version <= membership.version else known[0]
            self._known[name] = (newest, now_ms)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def forget(self, conversations: Iterable[str]) -> None:
        """These have changed while nobody listened."""
        for name in conversations:
            self._known.pop(name, None)

    def audience(self, event: Event) -> Collection[str]:
        """Who may see this event. Nobody when its conversation is not known."""
        if event.user:
            return (event.user,)
        if event.kind in TEAM_ONLY or event.conversation_id not in self._known:
            return ()
        membership, _ = self._known[event.conversation_id]
        if event.kind in READ_AT:
            return readers(membership, event.version)
        present = membership.now()
        if event.kind == "typing":
            return [each for each in present if each != event.subject] if membership.has(event.subject) else ()
        if event.kind != "conversation":
            # How far somebody has read who answers without being a member is no member's business.
            return present if event.kind != "position" or membership.knows(event.subject) else ()
        # Who was just removed learns it from the event that says so.
        return [*present, *(stay.user_id for stay in membership.members if stay.left == membership.version)]
