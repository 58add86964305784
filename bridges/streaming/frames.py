"""What is sent next on a stream: events and the cursor after them, from their bytes: each is parsed once at most."""

from collections.abc import Iterator

from msgspec import Struct

from bridges.streaming.cursor import Cursor
from chat4all.model.event_types import naming
from chat4all.model.events import Event


class Frame(Struct):
    """Events to send next, and the reader's cursor before them. Ask once, for `encoded` or for `each`: both move the cursor.

    `with_time`: everything older than these has been told too, so their times count.
    """

    events: list[Event]
    cursor: Cursor
    with_time: bool = False

    def encoded(self) -> bytes:
        """A serialised `Events`: the events' own bytes and names as field 1, the cursor after them as field 2."""
        parts: list[bytes] = []
        for event in self.events:
            self._advance(event)
            names = naming(event)
            parts += (b"\x0a", _varint(len(event.body) + len(names)), event.body, names)
        text = self.cursor.encode().encode()
        parts += (b"\x12", _varint(len(text)), text)
        return b"".join(parts)

    def each(self) -> Iterator[tuple[Event, str]]:
        """Every event with the cursor after it."""
        for event in self.events:
            self._advance(event)
            yield event, self.cursor.encode()

    def _advance(self, event: Event) -> None:
        if event.seq >= 0:
            self.cursor.reach(event.partition, event.seq)
        if self.with_time and not event.is_passing:
            self.cursor.tell(event.partition, event.at)
        if self.cursor.events and event.offset >= 0:
            self.cursor.events[event.partition] = event.offset + 1


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
