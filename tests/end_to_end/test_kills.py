"""The road while its processes die: each once, and the broker loses all it has."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import pytest

from ops.faults.checker import check
from ops.harness import broker
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.crowd import TROUBLE, Crowd, Feed, Outcome

MESSAGES = 5000
TALKS = 50
PER_SECOND = 170.0
SPARE = 0.11


def _kill(part: str) -> Callable[[System], None]:
    def kill(system: System) -> None:
        system.wait_restarted(part, system.kill9(part))

    return kill


def _kill_gateway_process(system: System) -> None:
    """One of gunicorn's own: the others go on."""
    os.kill(psutil.Process(system.pid("gateway")).children()[0].pid, signal.SIGKILL)


def _wipe_broker(system: System) -> None:
    broker.wipe(system.settings.broker_url)


MISFORTUNES: list[Callable[[System], None]] = [
    _kill("worker-pipeline"),
    _kill("worker-channels"),
    _kill("bridge"),
    _kill("stream"),
    _kill_gateway_process,
    _wipe_broker,
]


@pytest.mark.end_to_end
@pytest.mark.timeout(900)
def test_nothing_is_lost_while_everything_dies_once(system: System) -> None:
    """Under a live feed every process is killed once and the broker is wiped: nothing lost, all in order.

    The provider sees at most one message twice per (conversation, address), and the system knows of each.
    """
    system.phones.behave("whatsapp", **TROUBLE)
    with (
        Crowd(system, TALKS) as crowd,
        Readers(crowd.tokens, system.stream_target) as readers,
        ThreadPoolExecutor(1) as pool,
    ):
        feed = Feed(crowd, MESSAGES)
        sending = pool.submit(feed.send, PER_SECOND)
        for number, misfortune in enumerate(MISFORTUNES, 1):
            _wait_accepted(feed, sending, int(MESSAGES * SPARE * number))
            misfortune(system)
        sending.result(240)
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 240, between_s=2)
        wait_until("everything was read", lambda: {each.state for each in outcome.ended()} == {"READ"}, 120, between_s=2)
        report = check(outcome.history())
    assert len(feed.accepted) == MESSAGES
    assert (report.lost, report.inversions, report.strangers, report.backwards) == ([], [], [], []), report.summary()
    assert report.doubled_in == {}
    per_key = Counter((to, _talk(feed, message_id)) for message_id, to in report.doubled_out)
    assert set(report.doubled_out.values()) <= {1}
    assert set(per_key.values()) <= {1}, "more than one per key in flight"
    assert {message_id for message_id, _ in report.doubled_out} <= outcome.resends().keys(), "sent again and not counted"


def _wait_accepted(feed: Feed, sending: "Future[None]", count: int) -> None:
    wait_until(f"{count} accepted", lambda: sending.done() or len(feed.accepted) >= count, 120)
    if sending.done():
        sending.result()


def _talk(feed: Feed, message_id: str) -> str:
    return next(each.conversation_id for each in feed.accepted if each.message_id == message_id)
