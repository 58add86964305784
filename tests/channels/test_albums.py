"""How an album is cut into sends, by what each channel's calls may carry."""

import pytest

from chat4all.channels import open_channel
from chat4all.model.content import Album, Media
from chat4all.model.messages import Message, Recipient
from chat4all.model.slots import slots
from chat4all.services.acceptance.renditions import rendered
from chat4all.settings import Settings


def media(number: int, mime_type: str = "image/jpeg", size: int = 5, kind: str = "") -> Media:
    return Media(f"f{number}", "", f"{number}", mime_type, size, f"key{number}", kind)


PICTURES = (media(1), media(2), media(3, "video/mp4"))
MIXED = (media(1), media(2), media(3, "application/pdf"), media(4, "application/pdf"), media(5, "audio/ogg", kind="voice"))
HUGE = (media(1), media(2, size=1 << 30), media(3))
WORDS = "look"
# Files, the words beside them, who speaks; and what goes: how many files in each send, with which words.
SPLIT: list[tuple[str, tuple[Media, ...], str, str, list[tuple[int, str]]]] = [
    ("telegram", PICTURES, WORDS, "", [(3, WORDS)]),
    ("telegram", PICTURES, "", "", [(3, "")]),
    ("telegram", PICTURES, "", "Ana", [(3, "Ana:")]),
    ("telegram", PICTURES, WORDS, "Ana", [(3, "Ana: look")]),
    ("telegram", PICTURES, "x" * 1025, "", [(3, ""), (0, "x" * 1025)]),
    ("telegram", MIXED, WORDS, "", [(2, WORDS), (2, ""), (1, "")]),
    ("telegram", HUGE, WORDS, "", [(1, WORDS), (1, ""), (1, "")]),
    ("whatsapp", PICTURES, WORDS, "", [(1, WORDS), (1, ""), (1, "")]),
    ("whatsapp", PICTURES, WORDS, "Ana", [(1, "Ana: look"), (1, ""), (1, "")]),
    ("whatsapp", PICTURES, "x" * 1025, "", [(1, ""), (1, ""), (1, ""), (0, "x" * 1025)]),
    ("instagram", PICTURES, WORDS, "", [(1, ""), (1, ""), (1, ""), (0, WORDS)]),
    ("messenger", PICTURES, "", "Ana", [(0, "Ana:"), (1, ""), (1, ""), (1, "")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "files", "words", "speaker", "sends"), SPLIT)
def test_an_album_goes_in_as_few_sends_as_the_channel_allows(
    name: str, files: tuple[Media, ...], words: str, speaker: str, sends: list[tuple[int, str]], settings: Settings
) -> None:
    """Neighbours that one call may carry go together; each other file is a part of its own; all files, once and in order."""
    album, channels = Album(files, words), {name: open_channel(name, settings)}
    recipients, renditions = rendered(album, speaker, [Recipient("bob", name, "1")], channels)
    found = list(slots(Message("m", "c", "a", album, 1, 1, recipients, sender_name=speaker, renditions=renditions, seq=7)))
    carried = [each.payload.items if isinstance(each.payload, Album) else (each.payload,) for each in found]
    assert [
        (sum(isinstance(one, Media) for one in some), getattr(each.payload, "text", ""))
        for some, each in zip(carried, found, strict=True)
    ] == sends
    assert [one.file_id for some in carried for one in some if isinstance(one, Media)] == [each.file_id for each in files]
    assert not any(each.sender_name for each in found), "the speaker is named by what is frozen"
