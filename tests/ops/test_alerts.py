"""The alert rules: each fires when it must and not otherwise, says where the runbook is, and the Alertmanager takes it."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import DECLARED
from ops.native.alertmanager import SETTINGS, Alertmanager
from ops.native.prometheus import RULES, Prometheus
from tests.ops.alert_cases import CASES, Series
from tests.ops.real import home_with

ROOT = Path(__file__).parents[2]
ALERTS: dict[str, Any] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
HEADINGS = re.findall(r"^#+ (.+)$", (ROOT / "ops/runbook.md").read_text(), re.M)
# What Prometheus itself knows, and what node_exporter brings.
THEIRS = {"up", "node_filesystem_avail_bytes"}


def call(*command: str) -> None:
    """Run a tool; what it printed when it was not content."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_test() -> None:
    """No rule without series that fire it and series that do not; no test of a rule that is gone."""
    assert sorted(CASES) == sorted(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_section_in_the_runbook(name: str) -> None:
    """Who is woken finds what to do under the alert's own name."""
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"now", "soon"}
    assert rule["annotations"]["runbook"] == f"ops/runbook.md#{name.lower()}"
    assert name in HEADINGS


@pytest.mark.parametrize("name", ALERTS)
def test_every_metric_in_a_rule_exists(name: str) -> None:
    """A metric that was renamed is renamed in the rules too."""
    assert metrics.ACCEPTED
    asked = re.findall(r"\b((?:chat4all|process|node|up)[a-z0-9_]*)\b(?=[\s{\[)]|$)", ALERTS[name]["expr"])
    known = DECLARED.keys() | {f"{each}_bucket" for each in DECLARED} | THEIRS
    assert asked and set(asked) <= known


def test_the_rules_are_right_in_promtools_eyes() -> None:
    """Every expression can be read."""
    call(Prometheus.tool(home_with(Prometheus)), "check", "rules", str(RULES))


@pytest.mark.parametrize("name", ALERTS)
def test_it_fires_when_it_must_and_not_otherwise(name: str, tmp_path: Path) -> None:
    """promtool plays both series of the case."""
    case, rule = CASES[name], ALERTS[name]
    labels = {**case.labels, **rule["labels"]}
    annotations = {key: _filled(text, labels) for key, text in rule["annotations"].items()}
    expected = [{"exp_labels": labels, "exp_annotations": annotations}]
    tests = [_played(name, case.at, case.fires, expected), _played(name, case.at, case.quiet, [])]
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    call(Prometheus.tool(home_with(Prometheus)), "test", "rules", str(path))


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def _played(name: str, at: int, series: Series, expected: Sequence[object]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{at}m", "alertname": name, "exp_alerts": expected}],
    }


def test_the_alertmanager_takes_its_settings() -> None:
    """amtool reads the configuration; every alert goes to a receiver that exists."""
    tool = Alertmanager.tool(home_with(Alertmanager))
    call(tool, "check-config", str(SETTINGS))
    for severity in ("now", "soon"):
        call(
            tool,
            "config",
            "routes",
            "test",
            f"--config.file={SETTINGS}",
            f"--verify.receivers={severity}",
            f"severity={severity}",
        )


def test_what_is_silenced_exists() -> None:
    """The alerts that a dead log or store keeps quiet are ours."""
    rules = yaml.safe_load(SETTINGS.read_text())["inhibit_rules"]
    named = {
        alert
        for rule in rules
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        for alert in matcher.partition('"')[2].strip('"').split("|")
    }
    assert named <= set(ALERTS)
