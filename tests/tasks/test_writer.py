"""The writer of a process: what it says is done, and when."""

import asyncio
import threading
from pathlib import Path

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Facts
from tasks.lanes.writer import Sent, Tried, Writer
from tests.tasks.world import message, new_id, threads, whatsapp, world


async def test_an_attempt_does_not_wait_for_the_events_of_others(tmp_path: Path) -> None:
    """It is durable and may be made, while the log takes its time with what another delivery came to."""
    held, tells = threading.Event(), threading.Event()
    with world(tmp_path, partitions=1) as road:
        road.know(whatsapp(1), whatsapp(2))
        road.say(message(new_id("conversation", 1), 1, to=[whatsapp(1), whatsapp(2)]))
        road.run()
        one, other = road.rows()

        def slow(*_: object) -> None:
            tells.set()
            held.wait(10)

        road.log_faults.answer("append", slow)
        async with threads() as executor:
            writer = Writer(road.parts, executor)
            writing = asyncio.create_task(writer.run())
            sent = writer.write(Sent(one, Facts(attempts=1, sent_at=now_ms(), provider_id="1"), now_ms()))
            tried = writer.write(Tried(other, Facts(attempts=1, attempted_at=now_ms())))
            try:
                await asyncio.wait_for(tried, 5)
                assert {row.address: row.facts.attempts for row in road.rows()}[other.address] == 1
                assert tells.wait(5) and not sent.done()
            finally:
                held.set()
            await asyncio.wait_for(sent, 5)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
