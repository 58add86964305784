"""A run's course after the harm: in which order things are asked."""

from types import SimpleNamespace
from typing import Any

from ops.faults import runner


class Asked:
    """A course whose gateway is still starting when the load ends: it notes who is asked, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.figures: dict[str, Any] = {}
        self.system = SimpleNamespace(wait_ready=lambda: self.order.append("ready"))
        self.outcome = SimpleNamespace(
            missing=lambda: self.order.append("missing"),
            has_ended=lambda _patience_s: self.order.append("ended"),
            is_told=lambda _patience_s: self.order.append("told"),
        )


def test_what_has_come_is_asked_when_every_part_answers_again() -> None:
    """A gateway that was killed last and cannot be asked yet must not break the run off."""
    course: Any = Asked()
    runner._settle(course, 1.0)
    assert course.order == ["ready", "missing", "ended", "told"]
    assert "arrived_after_s" in course.figures
