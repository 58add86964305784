"""The message store: registrations, history, deliveries, lanes and progress. Cassandra or ScyllaDB, or SQLite on one machine.

The store holds facts: every write says something that stays true whoever writes it and whenever, so writes may be repeated
and may come late. Positions (`progress`, `fanned`, `cursor`, watermarks) only grow. What decides between several writers
(first writer wins, compare-and-set) says so. What a method has read is never older than a write that was acknowledged before.

Every method takes and gives many at once. Nothing is promised about a method that raised: parts of it may be written.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.conversations import Conversation, Identity, Membership, User, Verification
from chat4all.deliveries import Delivery, DeliveryKey, Facts, Lane, Watermark
from chat4all.messages import Message
from chat4all.ports.event_log import Topic
from chat4all.ports.files import Files
from chat4all.records import ProviderReceipt, Range


class Directory(ABC):
    """Who is who: users, addresses, conversations, links. Registrations: first writer wins."""

    @abstractmethod
    def add_users(self, users: Sequence[User]) -> list[User]:
        """Register; for each, the user now kept under that id: the one given, or the one who was there first."""

    @abstractmethod
    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Those that exist."""

    @abstractmethod
    def claim_addresses(self, identities: Sequence[Identity]) -> list[Identity]:
        """Give addresses to users; for each (channel, address), the identity now kept: first writer wins.

        A verified claim replaces an unverified one of the same user; nothing replaces another user's.
        """

    @abstractmethod
    def release_address(self, channel: str, address: str, user_id: str) -> bool:
        """Take an address from this user; False when it was not theirs. It can then be claimed anew."""

    @abstractmethod
    def owners(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        """Who owns these (channel, address) now; free ones are absent."""

    @abstractmethod
    def identities(self, user_ids: Sequence[str]) -> dict[str, list[Identity]]:
        """All addresses of each user, by channel, oldest claim first; users without any have an empty list."""

    @abstractmethod
    def note_wrote(self, wrote: Mapping[tuple[str, str], int]) -> None:
        """(channel, address) wrote to us at this time. `last_wrote_at` only grows; free addresses are passed over."""

    @abstractmethod
    def put_verification(self, verification: Verification) -> None:
        """Keep a code for (user, channel, address), replacing an older one."""

    @abstractmethod
    def verification(self, user_id: str, channel: str, address: str) -> Verification | None:
        """The code that waits, if any; also when it has expired."""

    @abstractmethod
    def add_conversations(self, founded: Sequence[tuple[Conversation, Sequence[str]]]) -> list[Membership]:
        """Found conversations with their first members (version 1); for each id the one now kept: first writer wins."""

    @abstractmethod
    def memberships(self, conversation_ids: Sequence[str]) -> dict[str, Membership]:
        """Those that exist, whole."""

    @abstractmethod
    def change_members(
        self, conversation_id: str, version: int, joined: Sequence[str], left: Sequence[str]
    ) -> Membership | None:
        """Compare-and-set: if the membership is still at `version`, make version + 1 with these changes; else None.

        Who joins again gets a second stay.
        """

    @abstractmethod
    def conversations_of(self, user_id: str) -> list[str]:
        """Every conversation this user is or ever was a member of."""

    @abstractmethod
    def put_link(self, channel: str, address: str, conversation_id: str | None) -> None:
        """What this address writes comes into this conversation from now on; None: no longer."""

    @abstractmethod
    def links(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Linked conversations of these (channel, address); those without one are absent."""

    @abstractmethod
    def register_inbound(self, inbound: Sequence[tuple[str, str, str, str]]) -> list[str]:
        """For each (channel, account, provider id, conversation id): the conversation now kept, first writer wins.

        Kept for at least 8 days, so that a provider's repetitions go where the first went.
        """

    @abstractmethod
    def last_conversations(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The conversation whose message last went to each (channel, address), as `Deliveries.record` was told."""


class Registration(Struct, frozen=True):
    """(conversation_id, message_id) is the message at `seq` with this body digest."""

    conversation_id: str
    message_id: str
    seq: int
    digest: str


class History(ABC):
    """What was said, by conversation and seq."""

    @abstractmethod
    def register(self, registrations: Sequence[Registration]) -> None:
        """Note where message ids are. For one (conversation_id, message_id) the smallest seq wins, whoever writes last."""

    @abstractmethod
    def registered(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Registration]:
        """What is kept for these (conversation_id, message_id); unknown ones are absent."""

    @abstractmethod
    def places_of(self, message_id: str) -> list[Registration]:
        """Every conversation that holds this message id; in practice one."""

    @abstractmethod
    def put_messages(self, messages: Sequence[Message]) -> None:
        """Keep messages at their (conversation_id, seq). Writing the same again changes nothing."""

    @abstractmethod
    def messages(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Message]:
        """Messages at these (conversation_id, seq); missing ones are absent."""

    @abstractmethod
    def page(self, conversation_id: str, after: int | None, before: int | None, limit: int) -> list[Message]:
        """Messages with after < seq < before, ascending. Given `after`: the first `limit` of them; else the last `limit`.

        Resends are among them (`resend_of`).
        """

    @abstractmethod
    def last_seqs(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        """The highest stored seq of each conversation; those without messages are absent."""

    @abstractmethod
    def raise_watermarks(self, watermarks: Sequence[Watermark]) -> None:
        """Members have come this far. Each position only grows; its time goes with it."""

    @abstractmethod
    def watermarks(self, conversation_ids: Sequence[str]) -> dict[str, list[Watermark]]:
        """All positions in each conversation, by user; conversations without any have an empty list."""


class Handle(Struct, frozen=True):
    """The provider calls this delivery by this id."""

    channel: str
    account: str
    provider_id: str
    key: DeliveryKey


class Waiting(Struct, frozen=True):
    """A key of a lane that must wait: its first row that is not ended, and when to go on (ms UTC). `refusals`: in a row."""

    lane: Lane
    conversation_id: str
    address: str
    seq: int
    index: int
    retry_at: int
    refusals: int


class Lease(Struct, frozen=True):
    """The right to send on a lane. Compared as a whole; holds no time of day. `holder` is empty when it is free."""

    holder: str = ""
    fence: int = 0
    beat: int = 0


class LaneState(Struct, frozen=True):
    """Rows up to seq `fanned` exist; all up to seq `cursor` are ended or have their key in `Waiting`. 0: none yet."""

    lane: Lane
    fanned: int
    cursor: int
    lease: Lease


class Deliveries(ABC):
    """Delivery rows, the lanes that they stand in, and the right to work on a lane."""

    @abstractmethod
    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Write rows, with the facts that they begin with. Writing the same again changes nothing and lowers no fact."""

    @abstractmethod
    def deliveries(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        """Those that exist."""

    @abstractmethod
    def lane_rows(self, lane: Lane, after: tuple[int, int], up_to: int, limit: int) -> list[Delivery]:
        """The first `limit` rows with (seq, index) > `after` and seq <= `up_to`, ascending."""

    @abstractmethod
    def record(
        self,
        facts: Mapping[DeliveryKey, Facts],
        handles: Sequence[Handle] = (),
        spoken: Mapping[tuple[str, str], tuple[str, int]] | None = None,
        waiting: Sequence[Waiting] = (),
        resumed: Sequence[Waiting] = (),
    ) -> None:
        """Add facts to rows (`Facts.merged`) with what belongs to them. All is durable on return.

        `spoken`: (channel, address) -> (conversation, at): a message of it went there; the latest time wins.
        `waiting` replaces the row of the same (lane, conversation, address); `resumed` removes it.
        """

    @abstractmethod
    def handles(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], DeliveryKey]:
        """Deliveries by (channel, account, provider id); unknown ids are absent."""

    @abstractmethod
    def park(self, receipts: Sequence[ProviderReceipt]) -> None:
        """Keep receipts for ids that may not be known yet, for at least a day. Repeating changes nothing."""

    @abstractmethod
    def parked(self, ids: Sequence[tuple[str, str, str]]) -> list[ProviderReceipt]:
        """All kept receipts of these (channel, account, provider id)."""

    @abstractmethod
    def lanes(self, lanes: Sequence[Lane] | None = None) -> dict[Lane, LaneState]:
        """The state of these lanes (missing ones as never used), or of all that were ever used."""

    @abstractmethod
    def raise_fanned(self, fanned: Mapping[Lane, int]) -> None:
        """Rows of these lanes exist up to this seq. Only grows."""

    @abstractmethod
    def raise_cursor(self, lane: Lane, seq: int) -> None:
        """All rows up to this seq are ended, or their key waits. Only grows."""

    @abstractmethod
    def swap_lease(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        """Compare-and-set: if the lease is still exactly `seen`, make it `wanted`. The only way a lease ever changes."""

    @abstractmethod
    def waiting(self, lane: Lane) -> list[Waiting]:
        """The keys of this lane that wait."""

    @abstractmethod
    def due(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        """Those lanes with a key whose retry_at has come."""


class Progress(Struct, frozen=True):
    """All records up to offset `done` have been through their stages (-1: none). `beat` differs after each sign of life."""

    done: int
    beat: int


class Trouble(Struct, frozen=True):
    """Tries of a stage at a range that did not come back and were not excused."""

    stage: str
    range: Range
    tries: int


class DeadLetter(Struct, frozen=True, omit_defaults=True):
    """What could not be processed or delivered, and why. `letter_id` is the same however often it is reported.

    `delivery` is a DeliveryKey as text; (topic, partition, offset) the record it came from, offset -1 if none.
    """

    letter_id: str
    at: int
    stage: str
    reason: str
    detail: str = ""
    topic: str = ""
    partition: int = 0
    offset: int = -1
    conversation_id: str = ""
    message_id: str = ""
    delivery: str = ""
    channel: str = ""
    attempts: int = 0
    first_at: int = 0


class ProgressStore(ABC):
    """How far the stages have come, and what troubles them."""

    @abstractmethod
    def keep_topic(self, topic: Topic) -> Topic:
        """The topic that this store belongs to: the one given at the very first call for its name. First writer wins."""

    @abstractmethod
    def progress(self, topic: str) -> dict[int, Progress]:
        """Per partition; partitions without progress are absent."""

    @abstractmethod
    def raise_progress(self, topic: str, done: Mapping[int, int]) -> None:
        """All records up to these offsets are done. Only grows; counts as a beat."""

    @abstractmethod
    def beat(self, topic: str, partitions: Sequence[int]) -> None:
        """A sign of life from a stage at work on these partitions."""

    @abstractmethod
    def begin_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        """Note, before the work, that a stage tries these ranges. `run` names the try: noted twice it counts once."""

    @abstractmethod
    def excuse_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        """The try named `run` ended well, or failed by no fault of the records: it does not count."""

    @abstractmethod
    def troubles(self, topic: str, ranges: Sequence[Range]) -> list[Trouble]:
        """Tries that count, of ranges that touch these."""

    @abstractmethod
    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep; the same letter_id again changes nothing."""

    @abstractmethod
    def dead_letters(self, day: str, limit: int, after: str = "") -> list[DeadLetter]:
        """Dead letters of a day (YYYY-MM-DD, UTC), by (at, letter_id), beginning after the letter with id `after`."""

    @abstractmethod
    def buried(self, topic: str, ranges: Sequence[Range]) -> dict[tuple[int, int], DeadLetter]:
        """Records of these ranges that were set aside, by (partition, offset): stages pass over them."""


class MessageStore(Directory, History, Deliveries, ProgressStore, Files):
    """One process's way to the store. Open it after fork. Every method may be called from many threads."""

    @abstractmethod
    def migrate(self) -> None:
        """Bring the schema up to date. Safe from several processes at once. Mismatch: it is newer than this code."""

    @abstractmethod
    def expire(self, now_ms: int) -> list[ProviderReceipt]:
        """Forget what has outlived its time; the parked receipts among it that no delivery ever claimed, for the record."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where the store is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Safe to call twice."""
