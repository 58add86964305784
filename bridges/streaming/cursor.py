"""How far a reader of a stream has come, as the text that clients keep and bring back."""

import base64
import binascii
from collections.abc import Mapping

import msgspec
from msgspec import Struct

LONGEST_CURSOR = 65536


class Cursor(Struct, omit_defaults=True):
    """How far a reader has come: per partition the last message seq, and the time (ms UTC) of the last change told.

    A partition that is missing was not begun: there the reader's own delivered positions say where to begin.
    `log` is the identity of the log that the seqs belong to. `caught`: everything learned up to then was told; 0 in cursors
    of servers that did not keep what was learned when. `ahead`: how much later in partitions of which more was told since.
    `begun`: when the first catching up began, of which `positions` are still those of its beginning where nothing was told yet;
    what another client of theirs acknowledges from then on was not told to this one. 0 once it is over.
    `events`: where to go on in chat-events, in a stream of all conversations.
    """

    positions: dict[int, int] = msgspec.field(default_factory=dict, name="p")
    at: int = msgspec.field(default=0, name="t")
    log: str = msgspec.field(default="", name="l")
    caught: int = msgspec.field(default=0, name="c")
    ahead: dict[int, int] = msgspec.field(default_factory=dict, name="d")
    events: dict[int, int] = msgspec.field(default_factory=dict, name="e")
    begun: int = msgspec.field(default=0, name="b")

    def encode(self) -> str:
        """The opaque text that clients keep."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, log: str = "") -> "Cursor":
        """The cursor that `encode` wrote; a new one for the empty text.

        ValueError when it is none of ours, or belongs to another log: there its seqs mean other messages.
        """
        if not text:
            return cls(log=log)
        if len(text) > LONGEST_CURSOR:
            raise ValueError("the cursor is too long")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.json.decode(raw, type=cls)
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise ValueError("the cursor is not one of ours") from error
        if cursor.log != log:
            raise ValueError("the cursor belongs to another log")
        return cursor

    def begin(self, at: int, starts: Mapping[int, int]) -> None:
        """Messages are about to be told, after these seqs in partitions that were not begun."""
        self.positions = {**starts, **self.positions}
        if not self.at and not self.begun:
            self.begun = at

    def reach(self, partition: int, seq: int) -> None:
        """All messages of this partition up to `seq` were sent."""
        self.positions[partition] = max(seq, self.positions.get(partition, -1))

    def tell(self, partition: int, at: int) -> None:
        """An event that was published at this time was told, and all before it in its partition."""
        self.at = max(self.at, at)
        if self.caught:
            self.ahead[partition] = max(at - self.caught, self.ahead.get(partition, 0))

    def catch_up(self, at: int) -> None:
        """Everything that was learned up to this time was told."""
        self.at = max(self.at, at)
        self.caught, self.ahead, self.begun = at, {}, 0

    def since(self, partition: int) -> int:
        """What was learned before this time was told."""
        return self.caught + self.ahead.get(partition, 0) if self.caught else self.at
