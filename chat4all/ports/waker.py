"""Wake-ups, which tell workers that there is something to do. A lost one costs the time until the next sweep, and no work.

Signals go the same way; a lost one is not made up for.
"""

from collections.abc import Iterable
from typing import Protocol

from chat4all.model.deliveries import Lane
from chat4all.model.signals import Signal

# Where files are worked on, beside the lanes of whichever channels; and converted, which takes processors and not time.
FILES, CONVERSIONS = "channels", "conversions"
CONVERT = "convert_file"


def queue_of(channel: str) -> str:
    """The queue that wakes a channel's lanes: workers can be given to one channel."""
    return f"{channel}-out"


class Waker(Protocol):
    """Whoever can wake workers. No method raises: what nobody was told of is found by the sweeps."""

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        """These lanes have work that nobody may be looking at."""

    def wake_file(self, task: str, file_id: str) -> None:
        """There is something to do for a file. `task`: verify_file, fetch_media or convert_file."""

    def signal(self, signals: Iterable[Signal]) -> None:
        """Show these, if that can be done at once."""


class Nobody:
    """Wakes nobody: for a process that leaves lanes and files to the sweeps."""

    def wake_lanes(self, lanes: Iterable[Lane]) -> None:
        """Left to `sweep`."""

    def wake_file(self, task: str, file_id: str) -> None:
        """Left to `sweep_files`."""

    def signal(self, signals: Iterable[Signal]) -> None:
        """Not shown."""


NOBODY = Nobody()
