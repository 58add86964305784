"""Prometheus scrapes a system in trouble: every dashboard shows something, every rule works, an alert arrives."""

import math
from pathlib import Path

import pytest

from ops.grafana.boards import BOARDS
from ops.harness.waiting import wait_until
from tests.end_to_end.watched import Watched, load, trouble, watched
from tests.ops.test_alerts import ALERTS
from tests.ops.test_dashboards import queries

PATIENCE_S = 60.0

pytestmark = [pytest.mark.real, pytest.mark.end_to_end, pytest.mark.timeout(300)]


def shows(seen: Watched, query: str) -> bool:
    """Whether a dashboard's query gives at least one number, for some channel and this machine."""
    asked = query.replace('channel="$channel"', 'channel=~".+"').replace("$node", seen.node).replace("$__rate_interval", "3m")
    return any(math.isfinite(float(each["value"][1])) for each in seen.query(asked))


def test_all_that_watches(tmp_path: Path) -> None:
    """No panel is empty, no rule fails, and a record that was set aside is told to the Alertmanager."""
    with watched(tmp_path) as seen:
        with load(seen.stack) as crowd:
            trouble(seen.stack, crowd)
            asked = {query for board in BOARDS for query in queries(board)}
            wait_until("the alert has arrived", lambda: "RecordBuried" in seen.alerts(), PATIENCE_S)
            empty: set[str] = set(asked)

            def nothing_is_empty() -> bool:
                empty.difference_update([query for query in empty if shows(seen, query)])
                return not empty

            try:
                wait_until("every panel shows something", nothing_is_empty, PATIENCE_S, 1)
            except TimeoutError:
                pytest.fail("nothing to see for:\n" + "\n".join(sorted(empty)))
        rules = {each["name"]: each for each in seen.rules()}
        assert rules.keys() == ALERTS.keys()
        assert {name: each["lastError"] for name, each in rules.items() if each["health"] != "ok"} == {}
        for rule in ALERTS.values():
            seen.query(rule["expr"])
