"""Part of the message store: messages, and how far each member has received and read them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msgspec import Struct

from chat4all.model.deliveries import Watermark
from chat4all.model.messages import Message


class Registration(Struct, frozen=True):
    """(conversation_id, message_id) is the message at `seq` with this body digest."""

    conversation_id: str
    message_id: str
    seq: int
    digest: str


class Span(Struct, frozen=True):
    """Part of a conversation: the first `limit` messages with after < seq < before; without `after` the last ones."""

    conversation_id: str
    after: int | None
    before: int
    limit: int


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
    def pages(self, spans: Sequence[Span]) -> list[list[Message]]:
        """A page for each of these, as `page` gives it: of many conversations at once."""

    @abstractmethod
    def last_seqs(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        """The highest stored seq of each conversation; those without messages are absent."""

    @abstractmethod
    def raise_watermarks(self, watermarks: Sequence[Watermark]) -> None:
        """Members have come this far, which is noted as a change. Each position only grows; its time goes with it."""

    @abstractmethod
    def watermarks(self, conversation_ids: Sequence[str]) -> dict[str, list[Watermark]]:
        """All positions in each conversation, by user; conversations without any have an empty list."""

    @abstractmethod
    def read_up_to(self, user_id: str, conversation_ids: Sequence[str]) -> dict[str, int]:
        """The seq up to which this user has read each; those that they never read are absent."""
