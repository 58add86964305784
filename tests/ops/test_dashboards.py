"""The dashboards: committed as the code makes them, and asking only for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import DECLARED
from ops.grafana.__main__ import FOLDER, files
from ops.grafana.boards import BOARDS, LAG
from ops.grafana.panels import Board, Chart

KNOWN = {f"{each}{end}" for each in DECLARED for end in ("", "_bucket", "_sum", "_count")}


def queries(board: Board) -> list[str]:
    """Every expression of a dashboard."""
    return [
        query
        for row in board.rows
        for panel in row.panels
        for query in ([each for each, _ in panel.queries] if isinstance(panel, Chart) else [panel.query])
    ]


def test_the_files_are_what_the_code_makes() -> None:
    """Nobody edited the JSON by hand, and nobody forgot `make dashboards`."""
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == {
        path.name: text for path, text in files().items()
    }


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_metric_of_a_query_exists(board: Board) -> None:
    """A metric that was renamed is renamed in the dashboards too. What node_exporter brings is not ours to know."""
    assert metrics.LAG
    for query in queries(board):
        asked = set(re.findall(r"\b((?:chat4all|process|node)_[a-zA-Z0-9_]+)\b", query))
        assert asked and {name for name in asked if not name.startswith("node_")} <= KNOWN, query


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_panel_can_be_seen(path: Path) -> None:
    """Panels have a title, a query and a data source of the provisioned name, and do not lie on each other."""
    board: dict[str, Any] = json.loads(path.read_text())
    panels = [each for each in board["panels"] if each["type"] != "row"]
    for each in panels:
        assert each["title"] and each["targets"] and each["datasource"]["uid"] == "prometheus"
    cells = [
        (column, line)
        for each in panels
        for column in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for line in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(column < 24 for column, _ in cells)


def test_lag_is_counted_once() -> None:
    """Several bridges expose the same lag: each partition counts once."""
    assert LAG == "sum by (topic) (max by (topic, partition) (chat4all_lag_records))"
