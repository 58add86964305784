"""The object store: the bytes of files. MinIO or any S3, or a folder on one machine.

Clients and providers send and fetch bytes by signed URLs, directly at the store. An object never changes: every upload has a
key of its own, a UUID. Sizes are bytes. `Permanent` with the reason `no_upload` or `no_object`: it is not there (any more).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

NO_UPLOAD = "no_upload"
NO_OBJECT = "no_object"
PARTS_CHANGED = "parts_changed"


class Part(Struct, frozen=True):
    """A part of an upload, as the store keeps it. Numbers begin at 1. `etag` differs when the part is brought again."""

    number: int
    size: int
    etag: str


class ObjectStore(ABC):
    """One process's way to the store. Open it after fork. Every method may be called from many threads."""

    @abstractmethod
    def begin(self, key: str) -> str:
        """Begin an upload in parts for this key; the upload's id."""

    @abstractmethod
    def sign_part(self, key: str, upload: str, number: int, size: int, life_s: int) -> str:
        """A URL to PUT one part of this many bytes to. Valid for `life_s`. Asks nobody.

        Bringing a part again replaces it. A store that cannot hold a client to `size` shows the true size in `parts`.
        """

    @abstractmethod
    def parts(self, key: str, upload: str) -> list[Part]:
        """The parts that were brought, by number. Permanent `no_upload`: it was joined, dropped, or never begun."""

    @abstractmethod
    def join(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        """Make the object of exactly these parts, in this order. Joining again what is joined changes nothing.

        Permanent `parts_changed` when one is no longer as given; `no_upload` when there is neither upload nor object.
        """

    @abstractmethod
    def reopen(self, key: str, sizes: Sequence[int]) -> str:
        """Turn an object back into an upload with parts of these sizes, so that some can be brought again; the upload's id.

        The object is gone then. Permanent `no_object`.
        """

    @abstractmethod
    def drop_uploads(self, key: str) -> None:
        """Remove every upload of this key with its parts. Safe to repeat."""

    @abstractmethod
    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Write an object from a stream, never holding more than some MiB of it; its size. Nothing is left when it raises."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """The object's size; None when there is none."""

    @abstractmethod
    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """The bytes `first` to `last`, both included, in chunks of at most 1 MiB. Permanent `no_object`, also while reading."""

    @abstractmethod
    def sign_get(self, key: str, filename: str, mime_type: str, life_s: int) -> str:
        """A URL to GET the object from, by ranges too, as an attachment of this name and type. Asks nobody."""

    @abstractmethod
    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects. Those that are gone already are passed over."""

    @abstractmethod
    def tidy(self, before_ms: int) -> None:
        """Forget what writes that were cut off before this time left behind, where the store does not do so itself."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where the store is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
