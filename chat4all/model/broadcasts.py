"""One message to many contacts: what is to be said to whom, how fast, and how far it has come. Pure rules; no I/O."""

from collections import Counter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

DRAFT, RUNNING, PAUSED, STOPPED, DONE = "draft", "running", "paused", "stopped", "done"
STATES = (DRAFT, RUNNING, PAUSED, STOPPED, DONE)
# From which states each of these may be asked for. What has come to its end stays there.
CHANGES = {RUNNING: (DRAFT, PAUSED), PAUSED: (RUNNING,), STOPPED: (DRAFT, RUNNING, PAUSED)}
RATE_MOST = 500
# Time that was not used is lost: whoever comes back after an outage does not send all at once.
STEP_MS = 1_000

ACCEPTED, REFUSED, SKIPPED = "accepted", "refused", "skipped"


class Broadcast(Struct, frozen=True, omit_defaults=True):
    """`payload` goes to each contact with the tag that has an address on the channel, said by `sender` (empty: `created_by`).

    `rate`: messages a second at most. `after`: the contact that was the last to have its turn; empty: none had. `stepped_at`:
    when somebody last took a step, `moved_at`: when contacts last had their turn, or could have it again. Times are ms UTC.
    `accepted`, `refused`, `skipped`: contacts so far, by outcome.
    """

    broadcast_id: str
    name: str
    payload: dict[str, Any]
    channel: str
    tag: str
    rate: int
    created_by: str
    created_at: int
    sender: str = ""
    state: str = DRAFT
    version: int = 1
    after: str = ""
    begun_at: int = 0
    ended_at: int = 0
    stepped_at: int = 0
    moved_at: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: int = 0

    def may_now(self, now: int) -> int:
        """How many contacts may have their turn in a step at this time; 0: it is too early for a step."""
        passed = min(now - self.stepped_at, STEP_MS)
        return max(0, passed) * self.rate // 1000

    def changed(self, state: str, now: int) -> "Broadcast":
        """In this state. ValueError: it cannot come there from where it is."""
        if self.state == state:
            return self
        if self.state not in CHANGES[state]:
            raise ValueError(f"it is {self.state}")
        if state == RUNNING:
            return replace(self, state=state, begun_at=self.begun_at or now, moved_at=now)
        return replace(self, state=state, ended_at=now if state == STOPPED else 0)

    def advanced(self, results: "list[Result]", after: str, is_last: bool, now: int) -> "Broadcast":
        """These contacts have had their turn, up to and with `after`."""
        has_ended = is_last and self.state == RUNNING
        counts = Counter(each.outcome for each in results)
        return replace(
            self,
            after=after or self.after,
            moved_at=now,
            accepted=self.accepted + counts[ACCEPTED],
            refused=self.refused + counts[REFUSED],
            skipped=self.skipped + counts[SKIPPED],
            state=DONE if has_ended else self.state,
            ended_at=now if has_ended else self.ended_at,
        )


class Result(Struct, frozen=True, omit_defaults=True):
    """What came of a contact's turn. `reason`: why it was refused or skipped. The message's ids where one was accepted."""

    contact_id: str
    outcome: str
    reason: str = ""
    address: str = ""
    message_id: str = ""
    conversation_id: str = ""
