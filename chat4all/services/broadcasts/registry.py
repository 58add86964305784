"""Broadcasts as people write, begin, pause and stop them."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from chat4all.model.broadcasts import AUDIENCE_AT_ONCE, DRAFT, RATE_MOST, Broadcast
from chat4all.model.clock import now_ms
from chat4all.model.contacts import TAG, is_time_zone
from chat4all.model.drafts import Draft, WrongPayload, read_payload
from chat4all.ports import MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong


class BroadcastRegistry:
    """What people do with broadcasts. Thread-safe."""

    def __init__(self, store: MessageStore, acceptor: Acceptor) -> None:
        self._store, self._acceptor = store, acceptor

    def create(self, wanted: Broadcast, addresses: Sequence[str] = ()) -> Broadcast:
        """Keep a draft, that goes to these addresses. Wrong: what of it cannot be. Taken: another one has this id."""
        self._check(wanted)
        found = self._addresses("audience.addresses", wanted.channel, addresses)
        kept = self._store.put_broadcast(wanted)
        there = wanted if kept else self.get(wanted.broadcast_id)
        if _said(there) != _said(wanted):
            raise Taken(wanted.broadcast_id)
        if there.state == DRAFT:
            self._store.add_audience(there.broadcast_id, found)
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

    def add_audience(self, broadcast_id: str, given: Sequence[str]) -> int:
        """Addresses, on its channel or as channel:address, that it goes to too. How many were given, each once.

        Wrong: one that is none, by its number from 0. Conflict: it has been started, or goes to those with a tag.
        """
        there = self.get(broadcast_id)
        if there.tag:
            raise Conflict("broadcast_audience", "it goes to those with a tag: write one whose audience is a list")
        if there.state != DRAFT:
            raise Conflict("broadcast_state", f"it is {there.state}: its audience is what it was when it was started")
        found = self._addresses("addresses", there.channel, given)
        self._store.add_audience(broadcast_id, found)
        return len(found)

    def _addresses(self, field: str, channel: str, given: Sequence[str]) -> list[str]:
        if len(given) > AUDIENCE_AT_ONCE:
            raise Wrong(field, f"at most {AUDIENCE_AT_ONCE:,} at once")
        return list(dict.fromkeys(self._address(f"{field}.{number}", channel, each) for number, each in enumerate(given)))

    def _address(self, field: str, channel: str, given: str) -> str:
        text = given.strip()
        begins = text.partition(":")[0] in self._acceptor.people.channels
        try:
            there, address = self._acceptor.people.parse_address(text if begins else f"{channel}:{text}")
        except ValueError as error:
            raise Wrong(field, str(error), "bad_address") from None
        if there != channel:
            raise Wrong(field, f"an address on {channel}", "bad_address")
        return address

    def _check(self, wanted: Broadcast) -> None:
        if wanted.channel not in self._acceptor.people.channels:
            raise Wrong("channel", "there is no such channel", "unknown_channel")
        if wanted.tag and not TAG.fullmatch(wanted.tag):
            raise Wrong("audience.tag", "a tag that contacts have: 1 to 50 characters, without blanks and commas")
        if not 1 <= wanted.rate <= RATE_MOST:
            raise Wrong("rate", f"1 to {RATE_MOST} messages a second")
        if wanted.quiet and not is_time_zone(wanted.quiet.time_zone):
            raise Wrong("quiet_hours.time_zone", "a time zone as the IANA calls it, such as America/Sao_Paulo")
        if wanted.quiet and wanted.quiet.begin == wanted.quiet.end:
            raise Wrong("quiet_hours.until", "another time than from")
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
    return each.name, each.payload, each.channel, each.tag, each.rate, each.created_by, each.sender, each.quiet
