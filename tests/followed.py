"""Counts the files that one opens to follow what comes in, for docs/decisions/shape.md: `python -m tests.followed`.

A file counts when a function of it runs between the first byte and the last durable write.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from chat4all.model.deliveries import Lane
from chat4all.root import ROOT
from chat4all.settings import Settings
from tasks.lanes.runner import LaneRunner
from tasks.resources import Parts
from tests.contracts.logs import wait_until
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World
from tests.webapp.test_learned_names import status
from tests.webapp.test_webhooks import Provider, whatsapp

PACKAGES = ("chat4all", "tasks", "bridges", "webapp", "storage")
# What is the same on every way, and what is behind a port.
BESIDE = ("chat4all/ports/", "chat4all/settings.py", "chat4all/telemetry/", "storage/")
ANA = "+5511999990000"


@contextmanager
def watched(way: str) -> Iterator[None]:
    """Count while this lasts, in threads that begin meanwhile too, and print it."""
    files: set[str] = set()

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            files.add(frame.f_code.co_filename)

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    ours = [each.removeprefix(f"{ROOT}/") for each in files if each.startswith(tuple(f"{ROOT}/{one}/" for one in PACKAGES))]
    less = sum(not each.startswith(BESIDE) for each in ours)
    sys.stdout.write(f"{way}: {len(ours)} files, {less} without ports, settings, telemetry, stores\n")


def main() -> None:
    """A webhook of WhatsApp until it is answered, a message to the call of its channel, a receipt to its event."""
    with TemporaryDirectory() as folder:
        provider = Provider(Settings(data=Path(folder), partitions=1, broker="memory://"))
        driver = provider.driver
        driver.service("crm", "send")
        opened = driver.parts
        with watched("webhook"):
            provider.posts("whatsapp", whatsapp("wamid.first", "hello"))
        road = World(Parts(opened.settings, opened.log, opened.store, 1, opened.objects, driver.wakes))
        road.run()
        with watched("send"):
            driver.send("crm", to=[f"whatsapp:{ANA}"])
            road.run()
            runner = LaneRunner(road.parts, lambda *_: Fake())
            runner.start()
            runner.wake(Lane("whatsapp", 0))
            wait_until(lambda: all(row.facts.sent_at for row in road.rows()))
            runner.stop()
        [row] = road.rows()
        with watched("receipt"):
            provider.posts("whatsapp", status(id=row.facts.provider_id, recipient_id=ANA[1:]))
            road.receive()
        driver.close()


if __name__ == "__main__":
    main()
