"""Limits of an account, changed while messages flow: how many a second, how many calls at a time."""

import asyncio
import time
from pathlib import Path

from msgspec.structs import replace

from chat4all.ports import AccountLimits, ConnectedAccount
from chat4all.services.accounts.live import InForce
from chat4all.settings import Settings
from tasks.lanes.attempt import IN_FLIGHT, Sender
from tasks.lanes.outlet import Outlet
from tasks.lanes.places import Places
from tasks.lanes.throttle import Throttle
from tests.tasks.test_attempt import Fake
from tests.tasks.world import threads, until, world


async def test_places_are_given_in_turn_and_change_in_number() -> None:
    """More let those in who wait longest; fewer let nobody in until enough have left; who is cancelled takes none along."""
    places, inside, go = Places(2), list[int](), asyncio.Event()

    async def call(number: int) -> None:
        async with places:
            inside.append(number)
            await go.wait()

    calls = [asyncio.create_task(call(number)) for number in range(8)]
    await until(lambda: inside == [0, 1])
    places.resize(4)
    await until(lambda: inside == [0, 1, 2, 3])
    calls[4].cancel()
    places.resize(1)
    calls[0].cancel()
    await asyncio.sleep(0)
    assert inside == [0, 1, 2, 3]
    go.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert inside == [0, 1, 2, 3, 5, 6, 7]


async def test_a_place_that_was_given_to_who_is_cancelled_goes_to_the_next() -> None:
    """Both happen before the loop comes round: nobody keeps it."""
    places, got = Places(1), list[str]()

    async def call(name: str) -> None:
        async with places:
            got.append(name)

    async with places:
        first, second = asyncio.create_task(call("first")), asyncio.create_task(call("second"))
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert got == ["second"]


async def test_who_waits_for_a_slow_rate_goes_on_when_it_is_raised() -> None:
    """One an hour, then as many as anybody wants: nobody waits for the hour. A rate below one in a period is kept too."""
    throttle = Throttle("whatsapp", replace(Fake.limits, account_per_second=1 / 3600), Settings().retry_policy, look_s=0.02)
    assert await throttle.clear("1") == 0
    waiting = [asyncio.create_task(throttle.clear(str(number))) for number in range(5)]
    await asyncio.sleep(0.05)
    assert not any(each.done() for each in waiting)
    throttle.limit(AccountLimits(), 10_000)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 2) == [0.0] * 5
    throttle.limit(AccountLimits(messages_per_second=2), 10_000)
    began = time.monotonic()
    for _ in range(2):
        await throttle.clear("1")
    assert time.monotonic() - began >= 0.4


async def test_an_outlet_keeps_to_what_its_account_has_now(tmp_path: Path) -> None:
    """At the next delivery, also with other credentials; and to the channel's own where they are taken back."""
    with world(tmp_path, partitions=1) as road:
        async with threads() as executor:
            channel, account = Fake(), ConnectedAccount("shop", "whatsapp", "1")
            standing = [InForce(channel, account)]
            outlet = Outlet(
                "whatsapp",
                road.parts.settings,
                lambda: Sender(road.parts, standing[0].channel, None, executor),  # type: ignore[arg-type]
                standing=lambda: standing[0],
            )
            assert outlet.opened and outlet.sender
            usual = outlet.sender.throttle.rate.max_rate
            few = AccountLimits(messages_per_second=40, calls_in_flight=3)
            standing[0] = InForce(channel, replace(account, limits=few))
            assert outlet.opened
            assert (outlet.sender.throttle.rate.max_rate, outlet.sender._in_flight._most) == (10, 3)
            standing[0] = InForce(Fake(), replace(account, limits=few, sealed=b"other"))
            assert outlet.opened
            assert (outlet.sender.throttle.rate.max_rate, outlet.sender._in_flight._most) == (10, 3)
            standing[0] = InForce(standing[0].channel, account)
            assert outlet.opened
            assert (outlet.sender.throttle.rate.max_rate, outlet.sender._in_flight._most) == (usual, IN_FLIGHT)
            await outlet.close()
