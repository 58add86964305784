"""Figures about conversations: how many began, were answered and closed, how long that took; and what messages cost. Pure
rules; no I/O.

A conversation begins with the first thing that its customer says, or that is said at all where no customer speaks; after it
was closed it begins anew with the first thing said then. It is answered by the first message of somebody else than a customer
that follows its customer's. It is closed as long as nobody opens it again. Times are ms UTC.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self, TypeVar

from msgspec import Struct

from chat4all.model.clock import day_of
from chat4all.model.conversations import User, UserKind
from chat4all.model.deliveries import Facts
from chat4all.model.handling import CLOSED, Handling
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import Cost

DAYS_MOST = 31
DIMENSIONS = ("day", "channel", "account", "agent", "label")
COST_DIMENSIONS = ("day", "channel", "account_id", "category")
# A conversation that reaches nobody outside.
OWN_CLIENTS = "chat4all"


class Sums(Struct, frozen=True):
    """Figures that may be added up."""

    def plus(self, other: Self) -> Self:
        """Both together."""
        names = self.__struct_fields__
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Figures(Sums, frozen=True):
    """What is counted. Times are sums, so that rows can be added: seconds over all that were answered, or closed."""

    conversations: int = 0
    answered: int = 0
    answer_seconds: float = 0.0
    closed: int = 0
    resolution_seconds: float = 0.0
    messages_in: int = 0
    messages_out: int = 0


class CostFigures(Sums, frozen=True):
    """Deliveries of which the provider said what they cost. `billable_arrived`: those billable ones that reached somebody."""

    deliveries: int = 0
    billable: int = 0
    billable_arrived: int = 0


class Case(Struct, frozen=True):
    """One conversation. `beginning`: the first messages since it began (anew); `said`: those since the time asked for."""

    handling: Handling
    beginning: Sequence[Message]
    said: Sequence[Message]


class Entry(Struct, frozen=True):
    """Figures of one day, of one agent, of one conversation."""

    at: int
    agent: str
    figures: Figures


class Reporter:
    """Counts what happened from `since` up to, not including, `until`. `users`: whoever spoke."""

    def __init__(self, since: int, until: int, users: Mapping[str, User]) -> None:
        self._since, self._until, self._users = since, until, users

    def entries(self, case: Case) -> Iterator[Entry]:
        """What is to be counted of a conversation."""
        found = [*self._begun(case), *self._closed(case), *self._messages(case)]
        return (each for each in found if self._since <= each.at < self._until)

    def is_customer(self, message: Message, handling: Handling) -> bool:
        """Whether a customer said it."""
        user = self._users.get(message.sender)
        return user is not None and user.kind in (UserKind.PERSON, UserKind.CONTACT) and message.sender != handling.assignee

    def _begun(self, case: Case) -> Iterator[Entry]:
        asked, first, answer = self._beginning(case)
        if begun := asked or first:
            yield Entry(begun.accepted_at, case.handling.assignee, Figures(conversations=1))
        if asked and answer:
            took = max(0, answer.accepted_at - asked.accepted_at) / 1000
            yield Entry(answer.accepted_at, self._agent(answer, case.handling), Figures(answered=1, answer_seconds=took))

    def _beginning(self, case: Case) -> tuple[Message | None, Message | None, Message | None]:
        """The customer's first message, the first at all, and the first answer."""
        said = [each for each in case.beginning if is_said(each)]
        asked = next((each for each in said if self.is_customer(each, case.handling)), None)
        later = [each for each in said if asked and each.seq > asked.seq]
        answer = next((each for each in later if not self.is_customer(each, case.handling)), None)
        return asked, next(iter(said), None), answer

    def _closed(self, case: Case) -> Iterator[Entry]:
        closed_at, (asked, first, _) = case.handling.closed_at, self._beginning(case)
        if case.handling.state == CLOSED and closed_at:
            begun = asked or first
            took = max(0, closed_at - begun.accepted_at) / 1000 if begun else 0.0
            yield Entry(closed_at, case.handling.assignee, Figures(closed=1, resolution_seconds=took))

    def _messages(self, case: Case) -> Iterator[Entry]:
        for each in case.said:
            if is_said(each) and self.is_customer(each, case.handling):
                yield Entry(each.accepted_at, case.handling.assignee, Figures(messages_in=1))
            elif is_said(each):
                yield Entry(each.accepted_at, self._agent(each, case.handling), Figures(messages_out=1))

    def _agent(self, message: Message, handling: Handling) -> str:
        """Who answered: what goes out in the name of a channel's inbox is its assignee's, if it has one."""
        user = self._users.get(message.sender)
        is_inbox = user is not None and user.kind is UserKind.INBOX
        return handling.assignee if is_inbox and handling.assignee else message.sender


def is_said(message: Message) -> bool:
    """Whether it counts: notes, reactions and other changes, resends, and what was said before an account came do not."""
    is_old = bool(message.origin and message.metadata.get("history"))
    return not (message.is_of_another or message.is_internal or is_old)


def place_of(messages: Iterable[Message]) -> tuple[str, str]:
    """(channel, account) that a conversation goes through: that of the first message with one."""
    for each in messages:
        if each.origin:
            return each.origin.channel, each.origin.account
        if each.recipients:
            return each.recipients[0].channel, ""
    return OWN_CLIENTS, ""


def keys(by: Sequence[str], entry: Entry, place: tuple[str, str], labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The rows that an entry counts in: one, and by label one for each of them, or for none."""
    known = {"day": day_of(entry.at), "channel": place[0], "account": place[1], "agent": entry.agent}
    for label in (labels or ("",)) if "label" in by else ("",):
        yield tuple((known | {"label": label})[each] for each in by)


def priced(
    by: Sequence[str], message: Message, recipient: Recipient, facts: Facts
) -> tuple[tuple[str, ...], CostFigures] | None:
    """The row that a delivery of this message counts in; None: its provider did not say what it costs.

    The environment's account has its channel's name.
    """
    if not facts.price:
        return None
    cost, arrived = Cost.parse(facts.price), bool(facts.delivered_at or facts.read_at)
    account = recipient.account or recipient.channel
    known = dict(zip(COST_DIMENSIONS, (day_of(message.accepted_at), recipient.channel, account, cost.category), strict=True))
    return tuple(known[each] for each in by), CostFigures(1, int(cost.billable), int(cost.billable and arrived))


Row = TypeVar("Row", bound=Sums)


def summed(rows: Iterable[tuple[tuple[str, ...], Row]]) -> dict[tuple[str, ...], Row]:
    """Rows of equal keys together, in the order of their keys."""
    found: dict[tuple[str, ...], Row] = {}
    for key, figures in rows:
        found[key] = found[key].plus(figures) if key in found else figures
    return dict(sorted(found.items()))
