"""Part of the message store: what providers call the files that they were given, so that a file is uploaded once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.model.clock import now_ms


class UploadPlace(Struct, frozen=True, order=True):
    """What an upload is found by.

    `object_key` stands for the bytes: equal files share it, and an object never changes. `shown_as`: what the provider was told
    that it is, and its name where people see the name that came with the bytes: another's file of equal bytes has another.
    """

    channel: str
    account: str
    object_key: str
    shown_as: str


class Uploaded(Struct, frozen=True):
    """The provider has the bytes: what it calls them, since when, and until when it keeps them (ms UTC)."""

    handle: str
    at: int
    until: int

    @classmethod
    def now(cls, handle: str, good_ms: int) -> "Uploaded":
        """Taken just now; the provider keeps it for so long."""
        at = now_ms()
        return cls(handle, at, at + good_ms)


class Uploads(ABC):
    """Uploads to providers. They are facts that may be lost: without one the file is uploaded again."""

    @abstractmethod
    def uploads(self, places: Sequence[UploadPlace]) -> dict[UploadPlace, Uploaded]:
        """The newest upload of each, those that there are. Some of them may be over."""

    @abstractmethod
    def note_uploads(self, uploads: Mapping[UploadPlace, Uploaded]) -> None:
        """Keep these until they are over; of one place the newest by `at`, whoever writes last."""
