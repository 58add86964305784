"""Whose an address is, and what was withdrawn: many ask at once, one read answers; and it ends quietly."""

import asyncio
import gc
from concurrent.futures import Executor
from typing import Any, cast

import pytest

from chat4all.model.conversations import Identity
from chat4all.model.deliveries import TAKEN_BACK, DeliveryKey, Lane, Withdrawn
from chat4all.model.failures import Temporary
from tasks.lanes.owners import Owners
from tests.contracts.stores import delivery
from tests.tasks.world import threads, until

ROWS = [delivery(DeliveryKey(Lane("whatsapp", 0), 5, number), address=f"+55{number}") for number in range(5)]
PLACES = [("whatsapp", f"+55{number}") for number in range(5)]


class Store:
    """Knows everybody, unless it is told what to raise. `asked`: what each read was about."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[list[tuple[str, str]]] = []

    def owners(self, places: list[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        self.asked.append(places)
        if self.failure:
            raise self.failure
        return {place: Identity(*place, user_id=f"user {place[1]}", since=0) for place in places}

    def withdrawn(self, keys: list[DeliveryKey]) -> dict[DeliveryKey, Withdrawn]:
        return {key: Withdrawn(5, TAKEN_BACK) for key in keys if key.index == 1}


@pytest.fixture
def said() -> list[dict[str, Any]]:
    """What the loop has to say of errors that nobody heard of."""
    return []


async def opened(store: Store, executor: Executor, said: list[dict[str, Any]]) -> Owners:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    return Owners(cast("Any", store), executor)


async def test_who_asks_in_one_turn_is_answered_by_one_read(said: list[dict[str, Any]]) -> None:
    """Each gets its own answer, and whoever asks later is answered by a later read."""
    async with threads() as executor:
        store = Store()
        owners = await opened(store, executor, said)
        found = await asyncio.gather(*(owners.look(row) for row in ROWS))
        assert [each.owner and each.owner.address for each in found] == [address for _, address in PLACES]
        assert [each.withdrawn for each in found] == [None, Withdrawn(5, TAKEN_BACK), None, None, None]
        await owners.look(ROWS[0])
        assert [sorted(each) for each in store.asked] == [PLACES, PLACES[:1]]


async def test_an_outage_ends_with_who_waits_it_out(said: list[dict[str, Any]]) -> None:
    """Nobody asks any more: nothing is read any more, no thread is asked for one, and nobody is told of an error."""
    async with threads() as executor:
        store = Store()
        store.failure = Temporary("store", "away")
        owners = await opened(store, executor, said)
        asking = [asyncio.create_task(owners.look(row)) for row in ROWS]
        await until(lambda: len(store.asked) > 0)
        asking[0].cancel()
        await owners.close()
        assert all(each.cancelled() for each in (await asyncio.wait(asking))[0])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [each for each in others if "_read" in repr(each)]
    await asyncio.sleep(0.3)
    assert said == []


async def test_an_error_is_told_to_who_asks_and_to_nobody_else(said: list[dict[str, Any]]) -> None:
    """Who was cancelled meanwhile does not hear of it, and the loop does not either."""
    async with threads() as executor:
        store = Store()
        store.failure = ValueError("nobody foresaw this")
        owners = await opened(store, executor, said)
        with pytest.raises(ValueError, match="foresaw"):
            await owners.look(ROWS[0])
        asking = asyncio.create_task(owners.look(ROWS[1]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await until(lambda: len(store.asked) == 2)
        await owners.close()
    await asyncio.sleep(0.05)
    gc.collect()
    assert said == []
