"""Broadcasts: begun, paused, stopped by people; each step of one says something to the next contacts.

A step may be taken twice, and by two at once: what it says has ids made of broadcast and address, so it is said once. Only who
claims a step takes it, so the rate is kept. A position is moved after the results are kept, and only from where it was read.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from chat4all.model.broadcasts import ACCEPTED, RATE_MOST, REFUSED, SKIPPED, Broadcast, Result
from chat4all.model.callers import MANAGE, SEND, Caller
from chat4all.model.clock import now_ms
from chat4all.model.contacts import REVOKED, TAG
from chat4all.model.conversations import Identity, UserKind
from chat4all.model.drafts import Accepted, Draft, Refused, Sendable, WrongPayload, read_payload
from chat4all.model.failures import Temporary
from chat4all.model.ids import made_id
from chat4all.ports import MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.contacts.contact_book import Contact, ContactBook
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong


class BroadcastRegistry:
    """What people do with broadcasts. Thread-safe."""

    def __init__(self, store: MessageStore, acceptor: Acceptor) -> None:
        self._store, self._acceptor = store, acceptor

    def create(self, wanted: Broadcast) -> Broadcast:
        """Keep a draft. Wrong: what of it cannot be. Taken: another one has this id."""
        self._check(wanted)
        if self._store.put_broadcast(wanted):
            return wanted
        there = self.get(wanted.broadcast_id)
        if _said(there) != _said(wanted):
            raise Taken(wanted.broadcast_id)
        return there

    def get(self, broadcast_id: str) -> Broadcast:
        """It, as it is now. NoSuch: there is none."""
        found = self._store.broadcast(broadcast_id)
        if found is None:
            raise NoSuch(broadcast_id)
        return found

    def change(self, broadcast_id: str, state: str) -> Broadcast:
        """Have it run, pause it, stop it. Conflict: it cannot, as it is."""
        while True:
            there = self.get(broadcast_id)
            try:
                wanted = there.changed(state, now_ms())
            except ValueError as error:
                raise Conflict("broadcast_state", str(error)) from None
            if wanted == there or self._store.put_broadcast(wanted := replace(wanted, version=there.version + 1)):
                return wanted

    def _check(self, wanted: Broadcast) -> None:
        if wanted.channel not in self._acceptor.people.channels:
            raise Wrong("channel", "there is no such channel", "unknown_channel")
        if not TAG.fullmatch(wanted.tag):
            raise Wrong("audience.tag", "a tag that contacts have: 1 to 50 characters, without blanks and commas")
        if not 1 <= wanted.rate <= RATE_MOST:
            raise Wrong("rate", f"1 to {RATE_MOST} messages a second")
        if wanted.sender and wanted.sender not in self._store.users([wanted.sender]):
            raise Wrong("from", "there is no such user", "unknown_user")
        try:
            draft = Draft(read_payload(wanted.payload), to=[wanted.created_by], sender=wanted.sender or None)
        except WrongPayload as error:
            raise Wrong(".".join(filter(None, ("payload", error.field))), error.detail) from None
        if fault := self._acceptor.fault_of(draft):
            raise Wrong(fault.field, fault.detail, fault.code)


def _said(broadcast: Broadcast) -> tuple[Any, ...]:
    each = broadcast
    return each.name, each.payload, each.channel, each.tag, each.rate, each.created_by, each.sender


class BroadcastSteps:
    """Takes steps of what runs. One per process. `clock`: ms UTC."""

    def __init__(self, store: MessageStore, acceptor: Acceptor, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._acceptor, self._clock = store, acceptor, clock
        self._contacts = ContactBook(store)

    def step(self, broadcast: Broadcast) -> list[Result]:
        """Give the next contacts their turn, if it is time and nobody else does; what came of it.

        Temporary: nothing more can be said now; the same contacts have their turn in a later step.
        """
        now = self._clock()
        most = broadcast.may_now(now)
        claimed = replace(broadcast, stepped_at=now, version=broadcast.version + 1)
        if not most or not self._store.put_broadcast(claimed):
            return []
        user_ids = self._store.contact_page(broadcast.tag, broadcast.after, most)
        results = self._said(claimed, self._contacts.of(user_ids))
        self._store.put_results(claimed.broadcast_id, results)
        self._move(claimed, results, user_ids[-1] if user_ids else "", len(user_ids) < most)
        return results

    def _said(self, broadcast: Broadcast, contacts: Sequence[Contact]) -> list[Result]:
        turns = [(each, _place(broadcast, each)) for each in contacts if broadcast.tag in each.profile.tags]
        going = [(each, place) for each, place in turns if isinstance(place, Identity)]
        caller = Caller(broadcast.created_by, UserKind.CLIENT, frozenset({SEND, MANAGE}))
        payload = read_payload(broadcast.payload)
        drafts = [_draft(broadcast, payload, place) for _, place in going]
        answers = self._acceptor.accept(caller, drafts) if drafts else []
        for answer in answers:
            if isinstance(answer, Refused) and answer.status == 503:
                raise Temporary(answer.code, answer.detail)
        said = [_result(each, place, answer) for (each, place), answer in zip(going, answers, strict=True)]
        return said + [Result(each.user.user_id, SKIPPED, why) for each, why in turns if isinstance(why, str)]

    def _move(self, claimed: Broadcast, results: list[Result], after: str, is_last: bool) -> None:
        there: Broadcast | None = claimed
        # Somebody who paused it meanwhile moved nothing; who took the same step was faster, and counted.
        while there and there.after == claimed.after:
            wanted = there.advanced(results, after, is_last, self._clock())
            if self._store.put_broadcast(replace(wanted, version=there.version + 1)):
                return
            there = self._store.broadcast(claimed.broadcast_id)


def _place(broadcast: Broadcast, contact: Contact) -> Identity | str:
    """Where a contact is to be told: where they wrote last; or why they are not."""
    places = [each for each in contact.addresses if each.channel == broadcast.channel and each.verified]
    if not places:
        return "no_address"
    if contact.profile.consent(broadcast.channel) == REVOKED:
        return "opted_out"
    return max(places, key=lambda each: each.last_wrote_at)


def _draft(broadcast: Broadcast, payload: Sendable, place: Identity) -> Draft:
    return Draft(
        payload,
        to=[f"{place.channel}:{place.address}"],
        sender=broadcast.sender or None,
        key=made_id("broadcast", broadcast.broadcast_id, place.channel, place.address),
        metadata={"broadcast_id": broadcast.broadcast_id},
    )


def _result(contact: Contact, place: Identity, answer: Accepted | Refused) -> Result:
    where = f"{place.channel}:{place.address}"
    if isinstance(answer, Refused):
        return Result(contact.user.user_id, REFUSED, answer.code, where)
    return Result(contact.user.user_id, ACCEPTED, "", where, answer.message_id, answer.conversation_id)
