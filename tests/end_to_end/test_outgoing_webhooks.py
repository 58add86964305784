"""Outgoing webhooks through real processes: an endpoint that verifies by `standardwebhooks` while all who tell it die."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.faults.hearing import judged, two_faced
from ops.faults.history import History
from ops.faults.webhooks import SCALED
from ops.harness.endpoint import HANGS, Endpoint, endpoint, firsts
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.conftest import STACKS, own_system
from tests.end_to_end.crowd import TROUBLE, Crowd, Feed, Outcome

MESSAGES = 400
TALKS = 20
PER_SECOND = 50.0
KILLED = ("endpoint", "worker-channels", "worker-pipeline", "bridge")
SPARE = 0.15
ALL_S = 90.0


@pytest.fixture(params=STACKS)
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """One whose waits between tries are short."""
    with own_system(request, request.param, tmp_path, SCALED) as own:
        yield own


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Endpoint]:
    """A backend that answers, and at another path does not."""
    with endpoint(tmp_path / "endpoint") as made:
        yield made


@pytest.mark.end_to_end
@pytest.mark.timeout(300)
def test_an_endpoint_hears_all_in_order_while_everything_dies_once(system: System, told: Endpoint) -> None:
    """Endpoint, workers and bridge are killed under load, another endpoint hangs: nothing lost, in order, repeats as such."""
    system.phones.behave("whatsapp", **TROUBLE)
    with (
        Crowd(system, TALKS) as crowd,
        Readers(crowd.tokens, system.stream_target) as readers,
        ThreadPoolExecutor(1) as pool,
    ):
        for path in ("/told", HANGS):
            made = crowd.operator.call("POST", "/v1/webhooks", {"url": told.url(path)}, expect=(201,))
            told.trusts(path, made["secret"])
        feed = Feed(crowd, MESSAGES)
        sending = pool.submit(feed.send, PER_SECOND)
        for number, part in enumerate(KILLED, 1):
            _wait_accepted(feed, sending, int(MESSAGES * SPARE * number))
            _kill(system, told, part)
        sending.result(120)
        outcome = Outcome(feed, readers)
        wait_until("everything was read", lambda: {each.state for each in outcome.ended()} == {"READ"}, ALL_S, between_s=1)
        base = outcome.history()
        _until_right(lambda: _wrong(told, base))
    assert told.refused() == []
    assert len(firsts(told.heard("/told"))) > 2 * MESSAGES


def _kill(system: System, told: Endpoint, part: str) -> None:
    if part == "endpoint":
        told.kill()
        told.start()
    else:
        system.wait_restarted(part, system.kill9(part))


def _wait_accepted(feed: Feed, sending: Future[None], count: int) -> None:
    wait_until(f"{count} were accepted", lambda: sending.done() or len(feed.accepted) >= count, 120)


def _wrong(told: Endpoint, base: History) -> dict[str, object]:
    heard = told.heard("/told")
    found = judged(heard, base) | {"two_faced": two_faced(heard)}
    return {name: each for name, each in found.items() if each}


def _until_right(wrong: Callable[[], dict[str, object]]) -> None:
    try:
        wait_until("all was told", lambda: not wrong(), ALL_S, between_s=1)
    except TimeoutError:
        assert wrong() == {}
