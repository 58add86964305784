"""The declarations of metrics: their form, and what their documents say."""

import re
from pathlib import Path

import pytest

from chat4all.telemetry import instruments, metrics
from chat4all.telemetry.instruments import DECLARED, REGISTRY, Counter, Histogram
from ops.metrics import PAGE, page
from tests.end_to_end.test_metrics import ELSEWHERE

NAME = re.compile(r"(chat4all|process)_[a-z0-9_]+")
# What would grow with users, or tell of them.
PERSONAL = {
    "user",
    "user_id",
    "address",
    "conversation",
    "conversation_id",
    "message_id",
    "account",
    "recipient",
    "sender",
    "file_id",
}


def test_the_page_has_every_metric_as_it_is_declared() -> None:
    """docs/metrics.md agrees with the declarations."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run python -m ops.metrics"
    assert metrics.ACCEPTED is not None


@pytest.mark.parametrize("name", DECLARED)
def test_names_and_labels_keep_to_the_rules(name: str) -> None:
    """Prometheus' conventions: prefix, unit and _total; and no label that grows with users."""
    declared = DECLARED[name]
    assert NAME.fullmatch(name)
    assert name.endswith("_total") == (declared.kind == "counter")
    assert not name.endswith(("_ms", "_count", "_sum", "_bucket"))
    assert not PERSONAL & set(declared.labels)
    assert declared.help.endswith(".")


def test_values_put_aside_are_all_counted() -> None:
    """A histogram's flush puts each value into the bucket that the library would have chosen."""
    sizes = Histogram("chat4all_tried_sizes", "Tried.", "kind", buckets=(1, 10, 100))
    for value in (0.5, 1, 1.5, 10, 99, 100, 101):
        sizes.of("a")(value)
    Histogram.flush()
    found = {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in REGISTRY.collect()
        if family.name == "chat4all_tried_sizes"
        for sample in family.samples
    }
    assert [found["chat4all_tried_sizes_bucket", each] for each in ("1.0", "10.0", "100.0", "+Inf")] == [2, 4, 6, 7]
    assert found["chat4all_tried_sizes_sum", ""] == 313
    del DECLARED["chat4all_tried_sizes"]


def test_reasons_of_others_are_bounded() -> None:
    """However many reasons a provider invents, they become no more than a hundred series."""
    reasons = Counter("chat4all_tried_reasons_total", "Tried.", "reason")
    for number in range(500):
        reasons.of_reason(str(number)).add()
    [family] = [each for each in REGISTRY.collect() if each.name == "chat4all_tried_reasons"]
    assert len(family.samples) == instruments.REASONS + 1
    assert sum(each.value for each in family.samples) == 500
    del DECLARED["chat4all_tried_reasons_total"]


def test_what_everyday_life_does_not_move_is_moved_somewhere() -> None:
    """The end-to-end test leaves out only what another test looks at, by the metric's name or its declaration."""
    source = Path(metrics.__file__).read_text()
    declared = {name: constant for constant, name in re.findall(r'^(\w+) = \w+\(\s*"(chat4all_\w+)"', source, re.MULTILINE)}
    for name, path in ELSEWHERE.items():
        held = (Path(__file__).parents[1] / path).read_text()
        assert name in held or f"metrics.{declared[name]}" in held, f"{path} does not look at {name}"
