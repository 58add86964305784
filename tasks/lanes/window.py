"""How far a lane has been read, and how far it is finished. Pure: no I/O, no clock."""

from chat4all.model.deliveries import LAST_INDEX

# Where a row stands in its lane: seq, and index in its message.
Place = tuple[int, int]


class Window:
    """The rows of a lane in (cursor, fanned], read in order up to `read`.

    A row that was taken is open until it is closed: it has ended, or its key is known, durably, to wait at it or before it.
    """

    def __init__(self, fanned: int, cursor: int) -> None:
        """Both as the store has them after the lane was taken."""
        self.fanned, self.cursor = fanned, cursor
        self.read: Place = (cursor, LAST_INDEX)
        # No cursor that a holder before us may still write is beyond this.
        self.known: Place = (fanned, LAST_INDEX)
        self._open: dict[int, int] = {}

    def grow(self, seq: int) -> bool:
        """Rows up to this seq exist; whether that is news."""
        grown = seq > self.fanned
        self.fanned = max(self.fanned, seq)
        return grown

    @property
    def has_unread(self) -> bool:
        """Whether rows may exist that were not read yet."""
        return self.read < (self.fanned, LAST_INDEX)

    @property
    def is_clean(self) -> bool:
        """Whether all rows that exist are done with, and the cursor says so."""
        return not self._open and self.cursor >= self.fanned

    def pass_to(self, place: Place) -> None:
        """All rows up to this place were read: each was taken, or needs nothing."""
        self.read = place

    def take(self, seq: int) -> None:
        """A row of this seq is open."""
        self._open[seq] = self._open.get(seq, 0) + 1

    def close(self, seq: int) -> bool:
        """One of the open rows of this seq is done with; whether it was the last of that seq."""
        left = self._open[seq] - 1
        if left:
            self._open[seq] = left
        else:
            del self._open[seq]
        return not left

    def reached(self) -> int:
        """The seq up to which no row is open, and none unread: what the cursor may say."""
        if self._open:
            return min(self._open) - 1
        seq, index = self.read
        return seq if index == LAST_INDEX else seq - 1
