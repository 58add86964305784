"""What a file is by its first bytes: taken where nobody says what it is, or what is said cannot be."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.file_signatures import HEAD_BYTES, SIGNATURES, true_type
from chat4all.model.files import ANY_TYPE, canonical_type


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return made.getvalue()[:HEAD_BYTES]


OFFICE = "application/vnd.openxmlformats-officedocument."
WORD = archive("[Content_Types].xml", "_rels/.rels", "word/document.xml")
# A file's first bytes, what it is said to be, and what it is.
CASES = [
    (b"\xff\xd8\xff\xe0", ANY_TYPE, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", ANY_TYPE, "image/png"),
    (b"GIF89a", ANY_TYPE, "image/gif"),
    (b"RIFF....WEBPVP8 ", ANY_TYPE, "image/webp"), (b"RIFF....WAVEfmt ", ANY_TYPE, "audio/wav"),
    (b"OggS\0\2", ANY_TYPE, "audio/ogg"),
    (b"\0\0\0\x18ftypheic", ANY_TYPE, "image/heic"), (b"\0\0\0\x18ftypisom", ANY_TYPE, "video/mp4"),
    (b"\0\0\0\x18ftypM4A ", ANY_TYPE, "audio/mp4"), (b"\0\0\0\x18ftypqt  ", ANY_TYPE, "video/quicktime"),
    (b"\0\0\0\x18ftyp3gp5", ANY_TYPE, "video/3gpp"), (b"#!AMR\n", ANY_TYPE, "audio/amr"), (b"ID3\4", ANY_TYPE, "audio/mpeg"),
    (b"%PDF-1.7", ANY_TYPE, "application/pdf"), (WORD, ANY_TYPE, f"{OFFICE}wordprocessingml.document"),
    (archive("xl/workbook.xml"), ANY_TYPE, f"{OFFICE}spreadsheetml.sheet"), (archive("a.txt"), ANY_TYPE, "application/zip"),
    (b"hello", ANY_TYPE, ANY_TYPE), (b"", ANY_TYPE, ANY_TYPE), (b"hello", "text/plain", "text/plain"),
    # What is said is wrong.
    (b"RIFF....WEBPVP8 ", "image/jpeg", "image/webp"), (b"\x89PNG\r\n\x1a\n", "image/jpeg", "image/png"),
    (b"\0\0\0\x18ftypheic", "image/jpeg", "image/heic"), (b"%PDF-1.7", "image/png", "application/pdf"),
    (b"OggS\0\2", "audio/mpeg", "audio/ogg"), (b"\xff\xd8\xff\xe0", "video/mp4", "image/jpeg"),
    # What is said is more than the bytes tell.
    (b"\0\0\0\x18ftypisom", "audio/mp4", "audio/mp4"), (b"\x1aE\xdf\xa3", "audio/webm", "audio/webm"),
    (archive("a.txt"), "application/epub+zip", "application/epub+zip"), (b"OggS\0\2", "video/ogg", "video/ogg"),
    (archive("a.txt"), f"{OFFICE}spreadsheetml.sheet", f"{OFFICE}spreadsheetml.sheet"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "said", "is_type"), CASES)
def test_a_file_is_what_its_bytes_say(head: bytes, said: str, is_type: str) -> None:
    """Where nothing is said, or what is said cannot be; else it is what is said."""
    assert true_type(said, head) == is_type


def test_types_are_called_by_their_registered_names() -> None:
    """Those by which channels know them."""
    assert [each.means for each in SIGNATURES if canonical_type(each.means) != each.means] == []


@given(st.binary(max_size=64), st.sampled_from([each.means for each in SIGNATURES] + [ANY_TYPE, "text/plain"]))
def test_any_bytes_have_a_type(head: bytes, said: str) -> None:
    """It never raises, and what was found once is found again."""
    found = true_type(said, head)
    assert found
    assert true_type(found, head) == found
