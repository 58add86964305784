"""Messages that a provider approves beforehand, as an account has them there."""

from typing import Any

from msgspec import Struct


class AccountTemplate(Struct, frozen=True):
    """A template in one language. `components`: its parts as the provider lists them. `reason`: why it was rejected.

    status: in the provider's word, such as APPROVED, PENDING, REJECTED, PAUSED. Only what is approved can be sent.
    """

    name: str
    language: str
    category: str
    components: tuple[dict[str, Any], ...] = ()
    status: str = ""
    reason: str = ""
    template_id: str = ""


class TemplatePage(Struct, frozen=True):
    """Some of an account's templates. `next`: where the next page begins, in the provider's word; empty: there is none."""

    templates: tuple[AccountTemplate, ...]
    next: str = ""
