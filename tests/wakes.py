"""A waker for tests: nothing leaves the process."""

from collections.abc import Callable, Iterable

from chat4all.model.deliveries import Lane
from chat4all.model.signals import Signal


class Wakes:
    """Keeps whom it would have woken. `work`: what a worker would do with a file, done at once."""

    def __init__(self, work: Callable[[str, str], None] = lambda task, file_id: None) -> None:
        self.lanes: list[Lane] = []
        self.files: list[tuple[str, str]] = []
        self.signals: list[Signal] = []
        self.work = work

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        self.lanes += lanes

    def wake_file(self, task: str, file_id: str) -> None:
        self.files.append((task, file_id))
        self.work(task, file_id)

    def signal(self, signals: Iterable[Signal]) -> None:
        self.signals += signals
