"""Part of the message store: replies that a team keeps to send again.

They are few, so all of them have one number, which every change raises: whoever changes one says which number they had seen,
and so decides on what all of them were.
"""

from abc import ABC, abstractmethod

from chat4all.model.saved_replies import SavedReply


class SavedReplies(ABC):
    """Saved replies."""

    @abstractmethod
    def saved_replies(self) -> list[SavedReply]:
        """All of them, in no order."""

    @abstractmethod
    def put_saved_reply(self, reply: SavedReply, seen: int) -> bool:
        """Keep it, if none has changed since `saved_replies_changed` gave this number. Whether it was. Compare-and-set."""

    @abstractmethod
    def remove_saved_reply(self, reply_id: str, seen: int) -> bool:
        """Forget it, as `put_saved_reply` keeps one."""

    @abstractmethod
    def saved_replies_changed(self) -> int:
        """The number that each change of any of them raises; 0 before the first."""
