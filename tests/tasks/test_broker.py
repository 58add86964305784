"""A broker that was away is found soon."""

from typing import Any

import pytest
from kombu.exceptions import OperationalError

from tasks.celery_app import create_app


def test_the_waits_for_a_broker_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is away, a worker looks for it every two seconds: Celery itself would wait up to thirty."""
    waits: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)

    def note(_error: Any, wait: float) -> None:
        waits.append(wait)

    with create_app().connection_for_read("redis://127.0.0.1:1/0") as connection, pytest.raises(OperationalError):
        connection.ensure_connection(note, 8)
    assert len(waits) > 5
    assert max(waits) <= 2.0
