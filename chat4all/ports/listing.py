"""Part of the message store: a reader's conversations page by page, by id or by the latest message."""

from abc import ABC, abstractmethod

# Who reads every conversation.
EVERYBODY = ""
# Activity is kept to ten minutes: exact times would be a write for every member at every message.
SLOT_MS = 600_000


class Listing(ABC):
    """The conversations a user is or was in, or of everybody. Kept by `add_conversations`, `change_members`, `put_messages`."""

    @abstractmethod
    def conversation_page(self, reader: str, after: str, limit: int) -> list[str]:
        """The next `limit` conversations after this one; "" for the first. By id, or in another order that stays."""

    @abstractmethod
    def active(self, reader: str, up_to: int, limit: int) -> list[tuple[int, str]]:
        """(slot, conversation), newest slot first, from slot `up_to` down: whole slots, until there are `limit`.

        `reader`: a user, EVERYBODY, or a list that conversations are in as they are handled (`Handling.lists`).

        A conversation is in the slot of its newest message's acceptance, else of its founding or of the reader's coming. One
        where nothing was said since before a store was upgraded may be missing.
        """
