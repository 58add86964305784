"""Fetching updates: nothing is acknowledged before it is durable, and nobody's trouble keeps the rest away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from bridges.polling import Poller, serve
from chat4all.channels import CHANNELS, open_channel
from chat4all.channels.telegram import Telegram as TelegramChannel
from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, TOPICS, Range, read_message
from chat4all.model.signals import PRESSED, Signal
from chat4all.ports import Update
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.dead_letters import scan
from chat4all.services.inbound.intake import Arrivals, Counts
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.settings import Settings, SettingsError
from ops.simulator.providers.telegram import Telegram
from ops.simulator.server import Simulator
from storage.open import open_log, open_store
from tests.wakes import Wakes

DEADLINE_S = 10.0
PAUSE_S = 0.02


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.01)


class Place:
    """A simulated Telegram, and a log and a store for what people write there."""

    def __init__(self, settings: Settings, simulator: Simulator) -> None:
        self.settings, self.simulator = settings, simulator
        self.wakes = Wakes()
        self.log, self.store = open_log(settings), open_store(settings)
        self.store.migrate()
        self.log.create(dict.fromkeys(TOPICS, 2))
        channels = {name: open_channel(name, settings) for name in CHANNELS}
        self.acceptor = Acceptor(self.store, self.log, settings, channels)

    @asynccontextmanager
    async def polling(self, arrivals: Any = None, poll_s: float = TelegramChannel.poll_s) -> AsyncIterator[None]:
        """A poller of its own, with a channel of its own, as in a process."""
        channel = TelegramChannel(self.settings)
        channel.poll_s = poll_s
        poller = Poller(
            channel,
            Webhooks(self.store, arrivals or Arrivals(self.store, self.acceptor)),
            self.wakes,
            PAUSE_S,
        )
        running = asyncio.ensure_future(poller.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await channel.close()

    async def write(self, *texts: str, **more: Any) -> None:
        async with aiohttp.ClientSession() as session:
            for text in texts:
                body = {"channel": "telegram", "from": "123456", "text": text, **more}
                async with session.post(f"{self.settings.simulator_url}/control/inbound", json=body) as answer:
                    assert answer.status == 202

    def records(self) -> list[Message]:
        return [
            read_message(record)
            for partition, (first, end) in sorted(self.log.ends(INCOMING).items())
            if end > first
            for record in self.log.read(INCOMING, [Range(partition, first, end - 1)], 5)
        ]

    def texts(self) -> list[str]:
        return [each.payload.as_text() for each in self.records()]

    def held(self) -> int:
        """How many updates Telegram still keeps for us."""
        return len(self.simulator.channels["telegram"]._held._updates)

    def close(self) -> None:
        self.log.close()
        self.store.close()


@pytest.fixture
async def place(tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setenv("TELEGRAM_POLLING", "1")
    settings = Settings(data=tmp_path, simulator_port=unused_tcp_port, partitions=2)
    simulator = Simulator(settings)
    await simulator.start()
    place = Place(settings, simulator)
    yield place
    place.close()
    await simulator.close()


class Unwilling:
    """Arrivals that fail as the test wants before they accept."""

    def __init__(self, place: Place, failures: Iterator[Exception | None]) -> None:
        self._arrivals = Arrivals(place.store, place.acceptor)
        self._failures = failures
        self.asked: list[int] = []

    def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str]) -> Counts:
        self.asked.append(len(updates))
        failure = next(self._failures, None)
        if failure:
            raise failure
        return self._arrivals.accept_updates(updates, headers)


async def test_what_people_write_is_fetched_in_order(place: Place) -> None:
    """Before the poller began and while it runs: each once, in order, and acknowledged."""
    async with place.polling():
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        await place.write("one", "two")
        await until(lambda: len(place.texts()) == 2)
        await place.write("three")
        await until(lambda: len(place.texts()) == 3)
    assert place.texts() == ["one", "two", "three"]


async def test_a_file_is_asked_for_at_once(place: Place) -> None:
    """A worker is told of what it has to fetch, and need not be found by the sweep."""

    class WithFile(Unwilling):
        def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str]) -> Counts:
            return replace(super().accept_updates(updates, headers), files=("a-file",))

    async with place.polling(WithFile(place, iter(()))):
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        await place.write("one")
        await until(lambda: place.wakes.files == [("fetch_media", "a-file")])


async def test_a_press_is_told_to_a_worker(place: Place) -> None:
    """A button that was pressed waits for an answer, which a worker gives."""
    telegram = place.simulator.channels["telegram"].provider
    assert isinstance(telegram, Telegram)
    asked = {"chat_id": "123456", "text": "?", "reply_markup": {"inline_keyboard": [[{"text": "Rye", "callback_data": "r"}]]}}
    async with place.polling():
        await until(lambda: telegram.polled)
        url = f"{place.settings.simulator_url}/telegram/bot1000000001:{place.settings.secret('telegram_token')}/sendMessage"
        async with aiohttp.ClientSession() as session, session.post(url, json=asked) as answer:
            number = (await answer.json())["result"]["message_id"]
        await place.write("", content={"type": "answer", "target": f"123456:{number}", "option": "r"})
        await until(lambda: len(place.wakes.signals) == 1)
    [press_id] = telegram.chats.presses
    assert (place.texts(), place.wakes.signals) == (["Rye"], [Signal("telegram", PRESSED, "123456", press_id, "1000000001")])


async def test_nothing_is_acknowledged_before_it_is_durable(place: Place) -> None:
    """While the log is away Telegram keeps the updates; once it is back they are accepted, and only then forgotten there."""
    kept: list[int] = []

    def failures() -> Iterator[Exception | None]:
        for _ in range(3):
            kept.append(place.held())
            yield Temporary("log_away")

    unwilling = Unwilling(place, failures())
    async with place.polling(unwilling):
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        await place.write("one")
        await until(lambda: place.texts() == ["one"])
        await until(lambda: place.held() == 0)
    assert kept == [1, 1, 1]


async def test_a_killed_poller_loses_and_doubles_nothing(place: Place) -> None:
    """Killed between fetching and accepting: the next one gets the same updates, and they are the same messages."""
    stuck = Unwilling(place, iter([Temporary("log_away")] * 1000))
    async with place.polling(stuck):
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        await place.write("one", "two")
        await until(lambda: sum(stuck.asked) >= 2)
    async with place.polling():
        await until(lambda: len({each.message_id for each in place.records()}) == 2)
    assert place.texts() == ["one", "two"]


async def test_two_pollers_take_turns_and_lose_nothing(place: Place) -> None:
    """Telegram lets only the newest fetch go on: both go on trying, and every message is there under one id."""
    async with place.polling(), place.polling():
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        for number in range(20):
            await place.write(f"{number}")
        await until(lambda: {each.payload.as_text() for each in place.records()} == {str(number) for number in range(20)})
        await until(lambda: place.held() == 0)
    assert len({each.message_id for each in place.records()}) == 20


async def test_a_webhook_that_somebody_sets_is_taken_away_again(place: Place) -> None:
    """With a webhook set Telegram answers no fetch: the poller takes it away and goes on."""
    provider = place.simulator.channels["telegram"].provider
    async with place.polling(poll_s=0.2):
        await until(lambda: provider.polled)
        await place.write("one")
        await until(lambda: place.texts() == ["one"])
        provider.polled = False
        await until(lambda: provider.polled)
        await place.write("two")
        await until(lambda: place.texts() == ["one", "two"])


async def test_an_update_that_cannot_be_accepted_keeps_no_other_away(place: Place) -> None:
    """Two of three are accepted; the bad one is kept as it came, and can be taken again."""

    class Picky(Unwilling):
        def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str]) -> Counts:
            if any(getattr(each, "text", "") == "bad" for each in updates):
                raise KeyError("unforeseen")
            return super().accept_updates(updates, headers)

    async with place.polling(Picky(place, iter(()))):
        await until(lambda: place.simulator.channels["telegram"].provider.polled)
        await place.write("one", "bad", "two")
        await until(lambda: place.texts() == ["one", "two"])
        await until(lambda: place.held() == 0)
    [letter] = scan(place.store, now_ms() - 60_000, now_ms() + 1)
    assert (letter.stage, letter.reason, letter.channel) == ("unreadable", "not_accepted", "telegram")
    handled = Webhooks(place.store, Arrivals(place.store, place.acceptor)).again(
        open_channel("telegram", place.settings), letter.letter_id
    )
    assert handled and handled.messages == 1
    assert sorted(place.texts()) == ["bad", "one", "two"]


async def test_without_a_channel_that_polls_there_is_nothing_to_run(tmp_path: Path) -> None:
    """The process says so instead of standing around."""
    with pytest.raises(SettingsError, match="TELEGRAM_POLLING"):
        await serve(Settings(data=tmp_path))
