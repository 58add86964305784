"""What is said between a worker and the process that converts for it."""

from msgspec import Struct

# Why a file has no rendition: reasons of a delivery, and kinds of failure in metrics.
UNREADABLE = "conversion_unreadable"
TOO_LARGE = "conversion_too_large"
TIMEOUT = "conversion_timeout"
MEMORY = "conversion_memory"
KILLED = "conversion_killed"
REASONS = (UNREADABLE, TOO_LARGE, TIMEOUT, MEMORY, KILLED)

# The names of the files in the folder that it works in.
SOURCE, MADE = "source", "made"


class Order(Struct, frozen=True):
    """Make this form of the file SOURCE, of `mime_type`, in MADE: `bytes_most` at most.

    memory, file_most: bytes that the process may take, and write into a file. cpu_s: seconds of a processor, clock_s by the
    clock.
    """

    form: str
    mime_type: str
    bytes_most: int
    memory: int
    cpu_s: int
    clock_s: int
    file_most: int


class Result(Struct, frozen=True, omit_defaults=True):
    """What came of it: the type of what was made, or the reason why nothing was (one of REASONS)."""

    mime_type: str = ""
    reason: str = ""
    detail: str = ""
