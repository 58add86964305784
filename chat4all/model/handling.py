"""How a conversation is handled by those who answer: state, assignee, priority, labels. Frozen types and pure rules; no I/O.

Nobody but the team sees it. What is not kept is as `Handling(conversation_id)` says: open, nobody's, normal. Times are ms UTC.
"""

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS
from chat4all.model.content import ChatChange
from chat4all.model.conversations import User, UserKind
from chat4all.model.messages import Message
from chat4all.model.workspaces import bare, everybody

State = Literal["open", "snoozed", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Handler = Literal["bot", "human", "nobody"]

OPEN: State = "open"
SNOOZED: State = "snoozed"
CLOSED: State = "closed"
STATES: tuple[State, ...] = (OPEN, SNOOZED, CLOSED)

# Names of lists of conversations begin with it: no user is called so.
LISTS = "~"
LABELS_MOST = 20
# In a label: no blanks and no commas, so that it can be put into an address and a list.
LABEL = re.compile(r"[^\s,\x00-\x1f\x7f]{1,50}")
SNOOZED_DAYS_MOST = 366

# What is to be done with a conversation at a time: its snooze is over; it was closed, and what came meanwhile is to be looked
# at; it was changed, and readers may not have been told.
WAKE, LOOK, TELL = "wake", "look", "tell"
# A process may have seen as long as this ago that nobody handles anything here; it would let a closed conversation be.
LOOK_AFTER_MS = 2_000


class Handling(Struct, frozen=True, omit_defaults=True):
    """How one conversation is handled. `version` grows with each change; 0: nobody has touched it.

    `seen_up_to`: of what is not open, the seq up to which the team has seen it: what a customer says after it opens it.
    `changed_by` is empty where nobody did it: a snooze that was over, or a customer who wrote.
    `opened_at`, `opened_after`: when it was opened last after it had been closed, and the seq that came before that; 0: it was
    not. `closed_at`: when it was closed last.
    """

    conversation_id: str
    version: int = 0
    state: State = OPEN
    snoozed_until: int = 0
    seen_up_to: int = 0
    assignee: str = ""
    priority: Priority = "normal"
    labels: tuple[str, ...] = ()
    handler: Handler = "nobody"
    changed_at: int = 0
    changed_by: str = ""
    opened_at: int = 0
    opened_after: int = 0
    closed_at: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self.state == OPEN

    def opened(self, at: int) -> "Handling":
        """The same, open: by what a customer said, or because its time has come."""
        return replace(self, state=OPEN, snoozed_until=0, changed_at=at, changed_by="", **self.moved(OPEN, at))

    def moved(self, state: State, at: int) -> dict[str, int]:
        """What a change to this state says of when it was closed and opened again."""
        if self.state != CLOSED and state == CLOSED:
            return {"closed_at": at}
        if self.state == CLOSED and state != CLOSED:
            return {"opened_at": at, "opened_after": self.seen_up_to}
        return {}

    def heard(self, seq: int, at: int) -> "Handling":
        """After a customer has said something at this seq."""
        return self if self.is_open or seq <= self.seen_up_to else self.opened(at)

    def is_woken(self, now: int) -> bool:
        """Whether it was snoozed until now or earlier."""
        return self.state == SNOOZED and self.snoozed_until <= now

    @property
    def lists(self) -> set[str]:
        """The lists of conversations that it is in, beside those of their readers."""
        facets = ["", *([f"@{bare(self.assignee)}"] if self.assignee else []), *(f"#{label}" for label in self.labels)]
        return {list_name(self.state, facet, everybody(self.conversation_id)) for facet in facets}

    @property
    def due(self) -> list["Due"]:
        """What is to be done after a change to this."""
        later = {"snoozed": [(self.snoozed_until, WAKE)], "closed": [(self.changed_at + LOOK_AFTER_MS, LOOK)]}
        todo = [(self.changed_at, TELL), *later.get(self.state, ())]
        return [Due(at, self.conversation_id, kind, self.version) for at, kind in todo]


class Due(Struct, frozen=True, order=True):
    """Something to do with a conversation at a time (ms UTC): `kind` is wake, look or tell; `version`: of its handling then."""

    at: int
    conversation_id: str
    kind: str
    version: int

    @property
    def day(self) -> int:
        """The day of it, since 1970."""
        return self.at // DAY_MS


class Wanted(Struct, frozen=True):
    """Which conversations a list is to show. None: any. `assignee` "": nobody's."""

    state: State | None = None
    assignee: str | None = None
    label: str | None = None
    priority: Priority | None = None
    handler: Handler | None = None

    def fits(self, handling: Handling) -> bool:
        """Whether this is one of them."""
        return (
            self.state in (None, handling.state)
            and self.assignee in (None, handling.assignee)
            and (self.label is None or self.label in handling.labels)
            and self.priority in (None, handling.priority)
            and self.handler in (None, handling.handler)
        )

    @property
    def lists(self) -> list[str]:
        """The shortest lists that together hold all of them, each of them in one."""
        states = STATES if self.state is None else (self.state,)
        facet = f"@{self.assignee}" if self.assignee else f"#{self.label}" if self.label else ""
        return [list_name(each, facet) for each in states]


def list_name(state: State, facet: str = "", within: str = "") -> str:
    """The name of a list of conversations, where others have a reader's. `within`: the list of all of its workspace."""
    return f"{LISTS}{within}{state}{facet}"


def is_opening(message: Message, sender: User | None, handling: Handling) -> bool:
    """Whether what was said opens the conversation: a customer said something new.

    A customer is who is neither a service, nor the inbox of a channel, nor who answers there. What was written before the
    account was connected is not new.
    """
    is_old = message.seq <= handling.seen_up_to or bool(message.origin and message.metadata.get("history"))
    is_customer = sender is not None and sender.kind in (UserKind.PERSON, UserKind.CONTACT)
    is_said = not (message.is_of_another or message.is_internal or isinstance(message.payload, ChatChange))
    return is_said and is_customer and not is_old and message.sender != handling.assignee


def untouched(conversation_ids: Iterable[str]) -> dict[str, Handling]:
    """As conversations are that nobody has touched."""
    return {each: Handling(each) for each in conversation_ids}
