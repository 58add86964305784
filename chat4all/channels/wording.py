"""What all channels say alike of what they read: marks, kinds that are not supported, and what a person chose."""

from msgspec import Struct

from chat4all.channels.json_fields import gist, joined
from chat4all.model.content import TAKEN_BACK

__all__ = ["EDITED", "EMPTY", "NOT_SUPPORTED", "NO_MEDIA", "TAKEN_BACK", "Media", "unsupported"]

EDITED = "[edited] "
EMPTY = "[empty message]"
NOT_SUPPORTED = "a kind of message that is not supported here"
KIND_MOST = 40


class Media(Struct, frozen=True):
    """A file as the provider names it; without a name there is none."""

    name: str = ""
    mime_type: str = ""
    filename: str = ""


NO_MEDIA = Media()


def unsupported(kind: str, part: object = None) -> str:
    """What is said of a kind that we do not know, with what stands in it."""
    named = f"[{kind[:KIND_MOST]}: {NOT_SUPPORTED}]" if kind else f"[{NOT_SUPPORTED}]"
    return joined(named, gist(part, "type"))
