"""Wake-ups, which tell workers that there is something to do. A lost one costs the time until the next sweep, and no work."""

from collections.abc import Iterable
from typing import Protocol

from chat4all.model.deliveries import Lane

# Where files are worked on, beside the lanes of whichever channels.
FILES = "channels"


def queue_of(channel: str) -> str:
    """The queue that wakes a channel's lanes: workers can be given to one channel."""
    return f"{channel}-out"


class Waker(Protocol):
    """Whoever can wake workers. No method raises: what nobody was told of is found by the sweeps."""

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        """These lanes have work that nobody may be looking at."""

    def wake_file(self, task: str, file_id: str) -> None:
        """There is something to do for a file. `task`: verify_file or fetch_media."""

    def wake_press(self, channel: str, press_id: str) -> None:
        """A button was pressed that waits for an answer (`Inbound.press`). Nobody looks for those whose wake-up was lost."""


class Nobody:
    """Wakes nobody: for a process that leaves lanes and files to the sweeps."""

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        """Left to `sweep`."""

    def wake_file(self, task: str, file_id: str) -> None:
        """Left to `sweep_files`."""

    def wake_press(self, channel: str, press_id: str) -> None:
        """The button goes on waiting, for as long as the provider lets it."""


NOBODY = Nobody()
