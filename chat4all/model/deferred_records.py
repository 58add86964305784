"""Records that are to be appended to the log when they are due, and how each of them ends. Pure; no I/O. Times are ms UTC."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

# `releasing`: somebody appends it, or died over it: whoever finds it appends it again. It is one record by its id.
WAITING, RELEASING, RELEASED, CANCELLED, REFUSED = "waiting", "releasing", "released", "cancelled", "refused"
STATES = (WAITING, RELEASING, RELEASED, CANCELLED, REFUSED)
OPEN = frozenset({WAITING, RELEASING})
# For so long whoever releases one has it for itself.
CLAIM_MS = 10_000


class DeferredRecord(Struct, frozen=True, omit_defaults=True):
    """What is to be appended at `due_at`, once by its `record_id`.

    `kind`: who releases it (`tasks/deferred_records.py`), and what `body` is. `owner`: whose it is, a user's id; empty: nobody
    is shown it. `version` grows by one with each change. `why`: of one that was refused.
    """

    record_id: str
    kind: str
    due_at: int
    body: dict[str, Any]
    created_at: int
    owner: str = ""
    state: str = WAITING
    version: int = 1
    changed_at: int = 0
    why: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still be appended."""
        return self.state in OPEN

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among those of its kind."""
        return self.due_at, self.record_id

    def may_be_taken(self, now: int) -> bool:
        """Whether it is due, and nobody is at it."""
        if self.state == RELEASING:
            return now - self.changed_at >= CLAIM_MS
        return self.state == WAITING and self.due_at <= now

    def to(self, state: str, now: int, why: str = "") -> "DeferredRecord":
        """The same in another state. ValueError: it cannot come there any more."""
        if state not in NEXT[self.state]:
            raise ValueError(f"it is {self.state}")
        return replace(self, state=state, version=self.version + 1, changed_at=now, why=why)

    def changed(self, now: int, due_at: int | None = None, body: dict[str, Any] | None = None) -> "DeferredRecord":
        """The same with another time, or other contents. ValueError: it does not wait any more."""
        if self.state != WAITING:
            raise ValueError(f"it is {self.state}")
        due_at, body = self.due_at if due_at is None else due_at, self.body if body is None else body
        return replace(self, due_at=due_at, body=body, version=self.version + 1, changed_at=now)


# Only what waits is cancelled: what is being released may have been appended.
NEXT = {
    WAITING: frozenset({RELEASING, CANCELLED}),
    RELEASING: frozenset({RELEASING, RELEASED, REFUSED}),
    RELEASED: frozenset[str](),
    CANCELLED: frozenset[str](),
    REFUSED: frozenset[str](),
}
