"""How a batch goes through the stages of its topic."""

from typing import Any

from celery.contrib.testing.worker import start_worker

from chat4all.model.records import INCOMING, STATUS, BatchRef, Range
from ops.harness.waiting import wait_until
from tasks.celery_app import create_app
from tasks.pipeline import Chains, declare
from tasks.stages.stage import Stage

SPANS = (Range(0, 3, 5), Range(2, 0, 0))


def test_a_batch_goes_through_its_stages_in_order() -> None:
    """Each is given the same ranges, and hears when the one before it set a record aside; some can be left out."""
    runs: list[tuple[str, BatchRef, bool]] = []

    def run(stage: Stage, ref: BatchRef, again: bool) -> bool:
        runs.append((stage.name, ref, again))
        return stage.name == "persist"

    app: Any = create_app()
    app.conf.update(broker_url="memory://", broker_transport_options={})
    declare(app, run)
    chains = Chains(app)
    with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=10):
        chains.hand_out(BatchRef(INCOMING, SPANS))
        wait_until("both stages ran", lambda: len(runs) == 2, 10)
        chains.hand_out(BatchRef(INCOMING, SPANS, 1), lambda stage: stage == "fan_out")
        chains.hand_out(BatchRef(STATUS, SPANS[:1]))
        wait_until("two more ran", lambda: len(runs) == 4, 10)
    assert runs == [
        ("persist", BatchRef(INCOMING, SPANS), False),
        ("fan_out", BatchRef(INCOMING, SPANS, suspect=True), False),
        ("fan_out", BatchRef(INCOMING, SPANS, 1), True),
        ("receipts", BatchRef(STATUS, SPANS[:1]), False),
    ]
