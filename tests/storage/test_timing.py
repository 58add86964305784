"""Calls of the ports are counted and timed, whatever the adapter."""

from pathlib import Path

import pytest

from chat4all.model.failures import Permanent, Temporary, Unknown
from chat4all.ports import EventLog
from chat4all.settings import Settings
from chat4all.telemetry.instruments import REGISTRY, Histogram
from storage.open import open_log, open_objects, open_store
from storage.timing import timed


def _value(name: str, **labels: str) -> float:
    Histogram.flush()
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_each_port_is_timed_by_its_own_method_names(tmp_path: Path) -> None:
    """One more call, one more observation; under the name that the port's contract gives it."""
    settings = Settings.model_validate({"data": tmp_path})
    log = open_log(settings)
    log.create({"tried": 1})
    before = [_value("chat4all_call_seconds_count", port=port, call="check") for port in ("log", "store", "objects")]
    for each in (log, open_store(settings), open_objects(settings)):
        each.check()
        each.close()
    after = [_value("chat4all_call_seconds_count", port=port, call="check") for port in ("log", "store", "objects")]
    assert after == [each + 1 for each in before]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Temporary("away"), "temporary"), (Unknown("lost"), "unknown"), (ValueError("broken"), "error"), (Permanent("no"), "")],
)
def test_failures_are_counted_by_kind_and_a_plain_no_is_none(error: Exception, kind: str) -> None:
    """The error itself goes on as it was."""

    class Failing:
        def check(self) -> str:
            raise error

    kinds = ("temporary", "unknown", "lost", "error")
    before = {each: _value("chat4all_call_failures_total", port="log", call="check", kind=each) for each in kinds}
    with pytest.raises(type(error)) as raised:
        timed("log", EventLog, Failing)().check()
    assert raised.value is error
    for each in kinds:
        counted = _value("chat4all_call_failures_total", port="log", call="check", kind=each) - before[each]
        assert counted == (each == kind)
