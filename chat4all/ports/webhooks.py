"""Part of the message store: outgoing webhooks, which are endpoints of a team's own backend, and what became of calls to them.

How far an endpoint is in chat-events needs no rows of its own. Lane("webhooks", partition) has a lease and a cursor as any,
and what could not be told yet is a `Waiting` row of it: `address` the endpoint, `seq` the offset in chat-events of its first
event that is not told; `conversation_id` the conversation that waits, or "" where the whole endpoint does, which is then told
nothing from that offset on.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

# The channel of the lanes on which events go to endpoints.
WEBHOOKS = "webhooks"


class Filter(Struct, frozen=True, omit_defaults=True):
    """Of which events an endpoint wants to hear. An empty field asks nothing; of several all must hold."""

    channels: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Ended(Struct, frozen=True, omit_defaults=True):
    """That an endpoint was disabled: by the change that made it this `version`, at `at` (ms UTC), and why."""

    version: int
    at: int
    reason: str


class Webhook(Struct, frozen=True, omit_defaults=True):
    """An endpoint. `version` rises with every change; a row is replaced only by who has seen its last version.

    `events`: types of event (chat4all/model/event_types.py), empty for all that webhooks tell unasked. `sealed`: its secrets
    and headers, which nobody but the caller of the endpoint opens (chat4all/services/webhooks/secrets.py). `throttle`:
    requests a second at most, 0 for no limit. `starts`: by partition the offset in chat-events of the
    first event that it is told; where there is none, 0. `status`: enabled, disabled or deleted; `reason` says why it is
    disabled. `failing_since` (ms UTC): no call succeeded since, 0. `batch`: events a request at most, while it is behind.
    `unsaid`: how often it was disabled without an event of it in the log so far.
    """

    webhook_id: str
    url: str
    events: tuple[str, ...] = ()
    filter: Filter = Filter()
    sealed: bytes = b""
    throttle: float = 0
    starts: Mapping[int, int] = msgspec.field(default_factory=dict)
    status: str = "enabled"
    reason: str = ""
    failing_since: int = 0
    created_at: int = 0
    changed_at: int = 0
    created_by: str = ""
    version: int = 0
    unsaid: tuple[Ended, ...] = ()
    batch: int = 1


class WebhookCall(Struct, frozen=True, omit_defaults=True):
    """One call to an endpoint, as its log shows it. `call_id` sorts by time. `number`: which try of this event, from 1.

    `status`: that of the answer, 0 for none; `error`: why there was none, or why it counts as failed. `answer`: the beginning
    of its body. What was sent is read again from chat-events at (`partition`, `offset`), as long as the log has it; `more`: the
    offsets of the further events of a batch. `manual`: test, recovery or "".
    """

    webhook_id: str
    call_id: str
    at: int
    event_id: str
    type: str
    conversation_id: str = ""
    partition: int = 0
    offset: int = -1
    number: int = 1
    status: int = 0
    error: str = ""
    took_ms: int = 0
    answer: str = ""
    manual: str = ""
    more: tuple[int, ...] = ()


class Recovery(Struct, frozen=True, omit_defaults=True):
    """Events told once more, in order in each conversation, not with live ones: of a partition [`position`, `until`)."""

    recovery_id: str
    webhook_id: str
    partition: int
    position: int
    until: int
    retry_at: int = 0
    refusals: int = 0


class Webhooks(ABC):
    """Endpoints, the log of calls to them, and recoveries."""

    @abstractmethod
    def put_webhook(self, webhook: Webhook) -> bool:
        """Keep it, if the row's version is the one before (no row: version 1). Whether it was. Compare-and-set."""

    @abstractmethod
    def webhook(self, webhook_id: str) -> Webhook | None:
        """It, deleted ones too."""

    @abstractmethod
    def webhooks(self, limit: int, after: str = "") -> list[Webhook]:
        """Those that are not deleted, by webhook_id, beginning after that one."""

    @abstractmethod
    def webhooks_changed(self) -> int:
        """A number that is another one after each change of any endpoint. Cheap: asked every second."""

    @abstractmethod
    def log_webhook_calls(self, calls: Sequence[WebhookCall]) -> None:
        """Keep these in the log; the same again changes nothing. Many at once cost a twentieth of one by one.

        A store forgets them after their days, and of one endpoint all but the newest (settings: keep_webhook_calls_days,
        webhook_calls_limit).
        """

    @abstractmethod
    def webhook_calls(self, webhook_id: str, limit: int, before: str = "") -> list[WebhookCall]:
        """The newest calls first, beginning before that call_id."""

    @abstractmethod
    def add_recoveries(self, recoveries: Sequence[Recovery]) -> None:
        """Begin these; the same (recovery_id, partition) again changes nothing."""

    @abstractmethod
    def recoveries(self, partition: int) -> list[Recovery]:
        """Those of a partition that are not done."""

    @abstractmethod
    def move_recovery(self, recovery: Recovery) -> None:
        """It has come to this position, which only grows; at `until` it is done and forgotten.

        When to try again and how often it was refused stay as they were said last.
        """

    @abstractmethod
    def told_seqs(self) -> dict[int, int]:
        """Per partition of chat-events the highest message seq that endpoints were told, or that began to wait there."""

    @abstractmethod
    def raise_told_seqs(self, seqs: Mapping[int, int]) -> None:
        """Messages up to these seqs were told. Only grows."""
