"""Whether a delivery may go yet, as far as its person's window is concerned: what is held waits until they write."""

from collections.abc import Mapping
from concurrent.futures import Executor

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import type_of
from chat4all.model.deliveries import HELD_TOO_LONG, Delivery, DeliveryKey
from chat4all.ports import Channel
from chat4all.ports.holds import LaneKey
from tasks.lanes.lease import Hold
from tasks.lanes.outcome import Outcome, Wait, ends_of, refused
from tasks.lanes.owners import Asked, Found, Owners, Standing, place_of_person
from tasks.lanes.threads import in_thread
from tasks.resources import Parts

# What is held is looked at again after so long, should nobody have said that the person wrote.
LOOK_MS = 3_600_000
# Nothing is begun in the last minute of a window: the call may take as long.
MARGIN_MS = 60_000
# So many addresses of which the provider said so; who is forgotten costs a call.
SHUT_MOST = 10_000


class Windows(Owners):
    """Looks for many deliveries at once when their people wrote to the account, and which deliveries were withdrawn."""

    def __init__(self, parts: Parts, executor: Executor, account: str) -> None:
        super().__init__(parts.store, executor)
        self._account = account

    def _standing(self, asked: Asked) -> Found:
        found = super()._standing(asked)
        wrote = self._store.last_wrote(list(dict.fromkeys(map(place_of_person, asked.values()))))
        return {key: replace(each, wrote_at=self._newest(asked[key], each, wrote)) for key, each in found.items()}

    def _newest(self, row: Delivery, standing: Standing, wrote: Mapping[tuple[str, str], Mapping[str, int]]) -> int:
        """What older code noted names no account."""
        by_account = wrote.get(place_of_person(row), {})
        if by_account:
            return by_account.get(self._account, 0)
        return standing.owner.last_wrote_at if standing.owner else 0


class Gate:
    """What is asked before calls of an account, in this process: windows, and whose the addresses are."""

    def __init__(self, parts: Parts, channel: Channel, executor: Executor) -> None:
        self._parts, self._executor = parts, executor
        self.owners = Owners(parts.store, executor)
        # Of rows that are being tried after they were held, since when they were free to be.
        self.freed: dict[DeliveryKey, int] = {}
        self._rule = channel.limits.window
        self._windows = Windows(parts, executor, channel.account.account_id)
        # By address, when the provider last said that its window is shut.
        self._shut: dict[str, int] = {}

    def needs_window(self, row: Delivery) -> bool:
        """Whether it can go only while the person's window is open."""
        return bool(self._rule.open_s) and type_of(row.payload) not in self._rule.exempt

    async def look(self, row: Delivery, hold: Hold) -> tuple[Outcome | None, int]:
        """What becomes of it without a call, or None: it is tried; and since when it was free to be, where it was held."""
        if row.holds and self.needs_window(row):
            return await self._decided(row)
        late = self._rule.open_s and now_ms() >= ends_of(row, self._parts.settings)
        return None, await in_thread(self._executor, self._freed, row, hold) if late else 0

    async def needs_human(self, row: Delivery) -> bool:
        """Whether it goes only because a person wrote it: its window is shut, and the longer one of people is open."""
        return self._rule.window((await self._windows.look(row)).wrote_at).needs_human(now_ms())

    def told_shut(self, row: Delivery) -> None:
        """The provider refuses it because its window is shut: it goes on when the person writes after this."""
        older = self._shut if len(self._shut) < SHUT_MOST else {}
        self._shut = older | {row.address: now_ms()}

    async def is_shut(self, row: Delivery) -> bool:
        """Whether a delivery that was just held is still to be."""
        return isinstance((await self._decided(row))[0], Wait)

    async def close(self) -> None:
        """Read no more."""
        await self._windows.close()
        await self.owners.close()

    async def _decided(self, row: Delivery) -> tuple[Outcome | None, int]:
        standing = await self._windows.look(row)
        now = now_ms()
        if standing.withdrawn:
            return refused(row, standing.withdrawn.reason), 0
        if now >= row.expires_at and not row.facts.unknown:
            return refused(row, HELD_TOO_LONG), 0
        window = self._rule.window(standing.wrote_at)
        is_open = window.is_open(now + MARGIN_MS) or (row.as_human and window.needs_human(now + MARGIN_MS))
        # Whatever we know of a window, the provider knows better: in its answer, or later in a receipt.
        if is_open and standing.wrote_at > max(self._shut.get(row.address, 0), row.shut_at):
            return None, standing.wrote_at
        return Wait(min(now + LOOK_MS, max(row.expires_at, now)), 0, ends=row.expires_at, is_held=True), 0

    def _freed(self, row: Delivery, hold: Hold) -> int:
        """Since when a row's key may send again, where it was held: the row is no older than that. Blocks."""
        key = LaneKey(row.key.lane, row.conversation_id, row.address, row.account)
        found = next((each for each in self._parts.store.held_keys([key.place]) if each.key == key), None)
        if found and not found.freed_at:
            found = replace(found, freed_at=now_ms(), stamp=hold.stamp())
            self._parts.store.hold_keys([found])
        return found.freed_at if found else 0
