"""Looks once more before calls, for many at once: which users own the addresses, and which deliveries were withdrawn."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor

from msgspec import Struct

from chat4all.model.conversations import Identity
from chat4all.model.deliveries import SUPERSEDED, Delivery, DeliveryKey, Withdrawn
from chat4all.model.workspaces import space_at
from chat4all.ports import MessageStore
from tasks.lanes.writer import insist

Asked = dict[DeliveryKey, Delivery]


class Standing(Struct, frozen=True):
    """What is so before a call: whose the address is now (None: nobody's), and whether the delivery is still to be sent.

    A resend is not, where what it repeats is not. `wrote_at`: when its person last wrote, where that was asked (ms UTC).
    """

    owner: Identity | None
    withdrawn: Withdrawn | None
    wrote_at: int = 0


Found = Mapping[DeliveryKey, Standing]


class Owners:
    """Answers for one process's attempts. What is asked in one turn of the loop is one look, begun after all was asked.

    An outage is waited out: who asks has written down an attempt, whose outcome would be unknown otherwise.
    """

    def __init__(self, store: MessageStore, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._next: tuple[Asked, asyncio.Task[Found]] | None = None
        self._reads: set[asyncio.Task[Found]] = set()

    async def look(self, row: Delivery) -> Standing:
        """How it stands with this delivery: who withdrew it before this was asked is heard. CancelledError once closed."""
        asked, read = self._next = self._next or self._begun()
        asked[row.key] = row
        # Others ask with us: who is cancelled does not take their answer away.
        return (await asyncio.shield(read))[row.key]

    async def close(self) -> None:
        """Read no more. Nobody asks any more, or who asks is to end."""
        for each in self._reads:
            each.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)

    def _begun(self) -> tuple[Asked, "asyncio.Task[Found]"]:
        asked: Asked = {}
        # It begins to run in the loop's next turn.
        read = asyncio.get_running_loop().create_task(self._read(asked))
        self._reads.add(read)
        read.add_done_callback(self._over)
        return asked, read

    async def _read(self, asked: Asked) -> Found:
        self._next = None
        return await insist(self._executor, lambda: self._standing(asked), deliveries=len(asked))

    def _standing(self, asked: Asked) -> Found:
        owners = self._store.owners(list(dict.fromkeys(map(place_of_person, asked.values()))))
        keys = dict.fromkeys(asked) | {row.first_key: None for row in asked.values()}
        withdrawn = self._store.withdrawn(list(keys))
        return {
            key: Standing(owners.get(place_of_person(row)), withdrawn.get(key) or _of_first(withdrawn, row))
            for key, row in asked.items()
        }

    def _over(self, read: "asyncio.Task[Found]") -> None:
        self._reads.discard(read)
        if not read.cancelled():
            # It is who asked that fails; where nobody does any more, nobody needs to hear of it.
            read.exception()


def _of_first(withdrawn: Mapping[DeliveryKey, Withdrawn], row: Delivery) -> Withdrawn | None:
    """That of what this repeats, or takes over from: that it took over is none."""
    found = withdrawn.get(row.first_key)
    return None if found and found.reason == SUPERSEDED else found


def place_of_person(row: Delivery) -> tuple[str, str]:
    """Where the address of a delivery means the same person."""
    return space_at(row.conversation_id, row.key.lane.channel), row.address
