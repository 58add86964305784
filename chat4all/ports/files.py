"""Part of the message store: rows of files, and which messages refer to which object. The bytes are in the object store."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from chat4all.model.files import StoredFile

# Behind every character that is in a holder's name.
LAST_CHARACTER = "\U0010ffff"


class Files(ABC):
    """File rows by id and by the day they are due, and objects by checksum with their holders.

    A holder is a reference as text: as long as an object has one, it stays. References are facts, not a count, so
    repeating one changes nothing.
    """

    @abstractmethod
    def add_files(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Keep new rows; for each, the row now kept under that id: first writer wins."""

    @abstractmethod
    def files(self, file_ids: Sequence[str]) -> dict[str, StoredFile]:
        """Those that exist."""

    @abstractmethod
    def swap_file(self, wanted: StoredFile) -> bool:
        """Compare-and-set: if the row kept under this id is at `wanted.version` - 1, make it `wanted`."""

    @abstractmethod
    def forget_file(self, file: StoredFile) -> None:
        """Remove this row, if it is still as given."""

    @abstractmethod
    def due_files(self, day: str, up_to_ms: int, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        """(due_at, file_id) with `after` < it and due_at <= `up_to_ms`, of a day (YYYY-MM-DD, UTC), ascending.

        May name a file whose `due_at` has moved since. `due_at` 0 is never listed.
        """

    @abstractmethod
    def keep_object(self, checksum: str, object_key: str, holder: str, at: int) -> str:
        """These bytes are at `object_key`; the key now kept for them: first writer wins. `holder` refers to it from now on."""

    @abstractmethod
    def hold_objects(self, wanted: Sequence[tuple[str, str]], at: int) -> list[bool]:
        """For each (checksum, holder): add the reference. False when there is no such object (any more)."""

    @abstractmethod
    def holders(self, checksum: str, prefix: str, limit: int, after: str = "") -> Mapping[str, int]:
        """Who refers to this object under names that begin with `prefix`, each since when (ms UTC; the first time told).

        The first `limit` by name, after the name `after`: an object may have a hundred thousand.
        """

    @abstractmethod
    def drop_holders(self, checksum: str, holders: Sequence[str]) -> None:
        """Take references away. Those that are not there are passed over."""

    @abstractmethod
    def retire_object(self, checksum: str, object_key: str) -> bool:
        """Compare-and-set: forget that these bytes are at `object_key`, unless somebody refers to them.

        True when nobody can come to refer to `object_key` any more: it is forgotten, or was never (no longer) the one kept.
        """
