"""Messages that a provider approves beforehand: as an account has them there, and as part of the message store."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

# What an account's templates are kept under, and one of them.
TemplateKey = tuple[str, str, str]


class AccountTemplate(Struct, frozen=True, omit_defaults=True):
    """A template in one language. `components`: its parts as the provider lists them. `reason`: why it was rejected.

    status: in the provider's word, such as APPROVED, PENDING, REJECTED, PAUSED; DELETED where it is gone. `quality`: what
    people think of it, in the provider's word. `at`: when this was so, ms UTC.
    """

    name: str
    language: str
    category: str
    components: tuple[dict[str, Any], ...] = ()
    status: str = ""
    reason: str = ""
    template_id: str = ""
    quality: str = ""
    at: int = 0


class TemplatePage(Struct, frozen=True):
    """Some of an account's templates. `next`: where the next page begins, in the provider's word; empty: there is none."""

    templates: tuple[AccountTemplate, ...]
    next: str = ""


class TemplateChange(Struct, frozen=True, omit_defaults=True):
    """The provider tells an account of a template: its status, category or quality is this now; empty: as before.

    `account`: one of those that have it, as the provider calls it.
    """

    channel: str
    account: str
    template_id: str
    name: str
    language: str
    at: int
    status: str = ""
    reason: str = ""
    category: str = ""
    quality: str = ""


class Templates(ABC):
    """What is known of accounts' templates. `account_id`: as the API calls it. Of two that write one the later `at` stands."""

    @abstractmethod
    def put_templates(self, account_id: str, templates: Sequence[AccountTemplate]) -> None:
        """These are so."""

    @abstractmethod
    def templates_of(self, account_id: str) -> list[AccountTemplate]:
        """All of an account by name and language, the deleted ones too."""

    @abstractmethod
    def templates_named(self, keys: Sequence[TemplateKey]) -> dict[TemplateKey, AccountTemplate]:
        """Those of these (account_id, name, language) that are known."""

    @abstractmethod
    def templates_read_at(self, account_id: str) -> int:
        """When the provider was last asked for all of them, ms UTC; 0: never."""

    @abstractmethod
    def note_templates_read(self, account_id: str, at: int) -> None:
        """It was asked then. Only grows."""
