"""What is remembered of a file while its bytes are carried from one place to another."""

import hashlib
from collections.abc import Iterator

from chat4all.model.file_signatures import HEAD_BYTES


class Seen:
    """Their checksum, and how they begin."""

    def __init__(self) -> None:
        self.digest, self.head = hashlib.sha256(), b""

    def all(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same bytes."""
        for chunk in chunks:
            self.digest.update(chunk)
            if len(self.head) < HEAD_BYTES:
                self.head += chunk[: HEAD_BYTES - len(self.head)]
            yield chunk
