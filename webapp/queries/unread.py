"""How many messages of a conversation somebody has not read: counted from their position on, never further than a bound."""

from collections.abc import Iterable, Mapping, Sequence

from chat4all.model.callers import Caller
from chat4all.model.conversations import Membership, User, UserKind
from chat4all.model.messages import Message
from chat4all.ports import MessageStore, Span
from webapp.queries.history_pages import shown
from webapp.requests.bounds import BOUNDS

# It counts so far: this is "99+".
MOST = 100
AT_ONCE = 100
# Messages in memory at once.
TOGETHER = 20
END = 2**62


class Unread:
    """What one caller has not read of conversations. A member: what others said. Who answers and is no member: what its
    customer said, and notes of others. `looked_at`: so many messages of one conversation are read at most.
    """

    def __init__(self, store: MessageStore, caller: Caller, looked_at: int = BOUNDS.unread) -> None:
        self._store, self._caller, self._most = store, caller, looked_at

    def counts(
        self, memberships: Iterable[Membership], last: Mapping[str, int | None] | None = None, most: int = MOST
    ) -> dict[str, int]:
        """By conversation, `most` for so many or more. Without those that the caller has no position in.

        `last`: the seq of the newest message in each, where that is known: what was read to its end is not read again.
        Where what counts lies behind more than that, which does not, at least one is told.
        """
        mine = {each.conversation.conversation_id: each for each in memberships if self._reads(each)}
        read = self._store.read_up_to(self._caller.user_id, list(mine)) if mine else {}
        newest = last if last is not None else self._store.last_seqs(list(mine)) if mine else {}
        behind = [name for name in mine if (newest.get(name) or 0) > read.get(name, 0)]
        counted = dict.fromkeys(mine, 0)
        for start in range(0, len(behind), TOGETHER):
            some = {name: mine[name] for name in behind[start : start + TOGETHER]}
            counted |= self._counted(some, {name: read.get(name, 0) for name in some}, most)
        return counted

    def fitting(self, names: list[str], is_unread: bool) -> set[str]:
        """Those of these conversations in which something is unread, or nothing is."""
        there = self._store.memberships(names, self._caller.user_id)
        return {name for name, count in self.counts(there.values(), most=1).items() if bool(count) == is_unread}

    def _reads(self, membership: Membership) -> bool:
        return self._caller.is_team or membership.has(self._caller.user_id)

    def _counted(self, some: Mapping[str, Membership], read: dict[str, int], most: int) -> dict[str, int]:
        found = dict.fromkeys(some, 0)
        size = min(AT_ONCE, most * 10)
        looked_at = 0
        while read and looked_at < self._most:
            names = list(read)
            pages = self._store.pages([Span(name, read[name], END, size) for name in names])
            users = self._speakers(pages)
            looked_at += size
            for name, page in zip(names, pages, strict=True):
                found[name] += sum(self._counts(each, some[name], users) for each in page)
                if len(page) < size or found[name] >= most:
                    del read[name]
                else:
                    read[name] = page[-1].seq
        return {name: min(most, max(number, name in read)) for name, number in found.items()}

    def _speakers(self, pages: Sequence[Sequence[Message]]) -> Mapping[str, User]:
        senders = {each.sender for page in pages for each in page if self._caller.is_team}
        return self._store.users(list(senders)) if senders else {}

    def _counts(self, message: Message, membership: Membership, users: Mapping[str, User]) -> bool:
        me = self._caller
        if message.sender == me.user_id or not shown(message, membership, me):
            return False
        if message.is_internal or membership.has(me.user_id):
            return True
        sender = users.get(message.sender)
        return sender is not None and sender.kind in (UserKind.PERSON, UserKind.CONTACT)
