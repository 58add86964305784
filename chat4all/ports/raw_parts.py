"""Part of the message store: the providers' own JSON of what had no type here, for people who look for what was lost."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

# Of each so many octets are kept.
RAW_MOST = 64 << 10


class RawParts(ABC):
    """Beside messages and not in them: readers and records are not to carry it."""

    @abstractmethod
    def put_raw(self, parts: Mapping[tuple[str, str], bytes]) -> None:
        """Keep what providers sent, by (conversation_id, message_id), for as long as messages: of each the first `RAW_MOST`.

        A message has one: repeating changes nothing.
        """

    @abstractmethod
    def raw(self, conversation_id: str, message_id: str) -> bytes | None:
        """What the provider sent of this message; None where nothing is kept."""
