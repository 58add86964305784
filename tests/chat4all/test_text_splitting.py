"""Cutting long texts, and what becomes of a message that is too long for some of its channels."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.content import Media, Text
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import Record, incoming_record, read_message
from chat4all.model.slots import rows, slots
from chat4all.model.text_splitting import graphemes, split
from chat4all.services.acceptance.renditions import rendered
from tests.webapp.channels import both

FLAGS = ["🇧🇷", "🏴\U000e0067\U000e007f"]
MARKS = ["e\u0301", "👍🏽", "❤\ufe0f", "\u0915\u094d\u0937", "\u1112\u1161\u11ab"]
WHOLE = ["👩\u200d👩\u200d👧\u200d👦", "\r\n", *FLAGS, *MARKS]
MEASURES: dict[str, Callable[[str], int]] = {"characters": len, "octets": lambda text: len(text.encode())}
TEXTS = st.lists(st.sampled_from([*WHOLE, "a", "bc", " ", "\n", "\n\n", ". ", "ñ", "漢", "!"]), max_size=80).map("".join)


@pytest.mark.parametrize("character", WHOLE)
def test_what_people_see_as_one_character_is_one(character: str) -> None:
    """Families, flags, accents, skin tones, syllables, conjuncts; each next to others."""
    assert list(graphemes(f"a{character}b{character}")) == ["a", character, "b", character]


def test_two_flags_are_two() -> None:
    """Four regional indicators."""
    assert list(graphemes("🇧🇷🇦🇷🇨🇱")) == ["🇧🇷", "🇦🇷", "🇨🇱"]


@given(st.text())
def test_graphemes_are_the_whole_text(text: str) -> None:
    """Nothing is lost, nothing is empty."""
    found = list(graphemes(text))
    assert "".join(found) == text
    assert all(found)


@given(st.one_of(st.text(), TEXTS), st.integers(1, 60), st.sampled_from(sorted(MEASURES)))
def test_parts_fit_and_say_the_same(text: str, most: int, unit: str) -> None:
    """All parts are within the limit, none is blank, and only blanks at the cuts are left out; the rule is a function."""
    measure = MEASURES[unit]
    most = most + 3 if unit == "octets" else most
    parts = split(text, most, measure)
    assert all(measure(each) <= most for each in parts)
    assert all(each.strip() for each in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert split(text, most, measure) == parts


@given(TEXTS, st.integers(30, 60))
def test_no_part_begins_or_ends_inside_a_character(text: str, most: int) -> None:
    """Whatever stands at the limit."""
    seen = [each for part in split(text, most, len) for each in graphemes(part) if not each.isspace()]
    assert seen == [each for each in graphemes(text) if not each.isspace()]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One two.\n\nThree four five", ("One two.", "Three four five")),
        ("One two three.\nFour five", ("One two three.", "Four five")),
        ("One two three. Four five six", ("One two three.", "Four five six")),
        ("One two three four five", ("One two three", "four five")),
        ("a" * 20, ("a" * 15, "a" * 5)),
        ("short", ("short",)),
        ("", ()),
    ],
)
def test_cuts_are_where_people_would_cut(text: str, parts: tuple[str, ...]) -> None:
    """A paragraph, a line, a sentence, a word; a word that is too long anywhere."""
    assert split(text, 15, len) == parts


def _message(text: str, name: str = "", *recipients: Recipient) -> Message:
    told, renditions = rendered(Text(text), name, recipients, both())
    return Message("m", "c", "alice", Text(text), 1, 1, told, sender_name=name, renditions=renditions)


W1, W2, I1 = (Recipient("ana", "whatsapp", "+1"), Recipient("bob", "whatsapp", "+2"), Recipient("eve", "instagram", "+3"))


def test_without_parts_a_record_is_what_it_was() -> None:
    """Nothing is frozen, and indexes are the recipients'."""
    message = _message("hello", "Ana", W1, W2, I1)
    assert (message.renditions, message.recipients) == ((), (W1, W2, I1))
    assert [(each.index, each.payload, each.sender_name, each.parts) for each in slots(message)] == [
        (number, Text("hello"), "Ana", 1) for number in range(3)
    ]
    assert incoming_record(message, 2, {}).headers["v"] == "1"


def test_each_channel_gets_what_fits_it() -> None:
    """Instagram takes 1,000 bytes, WhatsApp 4,096 characters; the name stands once; the record counts rows, as version 2."""
    message = _message("word " * 300, "Ana", W1, I1, W2, Recipient("dan", "instagram"))
    assert [(each.index, each.recipient.user_id, each.part, each.parts) for each in slots(message)] == [
        (0, "ana", 0, 1), (1, "eve", 0, 2), (2, "eve", 1, 2), (3, "bob", 0, 1), (4, "dan", 0, 1),
    ]  # fmt: skip
    texts = [each.payload.as_text() for each in slots(message) if each.recipient.user_id == "eve"]
    assert texts[0].startswith("Ana: word")
    assert all(len(each.encode()) <= 1000 for each in texts)
    assert {each.sender_name for each in slots(message) if each.recipient.user_id == "eve"} == {""}
    record = incoming_record(message, 2, {})
    assert (record.headers["recipients"], record.headers["v"]) == ("5", "2")
    assert rows(message) == 5


@given(st.lists(st.sampled_from([W1, W2, I1]), unique=True), TEXTS.filter(str.strip), st.integers(1, 60))
def test_indexes_are_a_running_number(recipients: list[Recipient], text: str, times: int) -> None:
    """No gap and no repeat, in the frozen order, the same after the record was written and read."""
    message = _message(text * times, "Ana", *recipients)
    found = list(slots(message))
    assert [each.index for each in found] == list(range(rows(message)))
    record = incoming_record(message, 2, {})
    again = read_message(Record(record.topic, 0, 0, "c", record.value, record.headers, 0))
    assert list(slots(again)) == found


PICTURE = Media("f", "", "cat.png", "image/png", 2_000, "key")
FILES = {
    "short words": (PICTURE, "tea", True),
    "long words beside a file that goes as a link": (PICTURE, "word " * 100, False),
    "not fetched yet": (replace(PICTURE, size=0, object_key=""), "word " * 100, False),
    "no words": (PICTURE, "", True),
}


@pytest.mark.parametrize("name", FILES)
def test_words_that_do_not_fit_beside_a_file_follow_it(name: str) -> None:
    """The file first, then all the words, each within the limit: the picture is not lost for its caption."""
    picture, text, is_whole = FILES[name]
    told, renditions = rendered(replace(picture, text=text), "Ana", [I1, W1], both())
    message = Message("m", "c", "alice", replace(picture, text=text), 1, 1, told, sender_name="Ana", renditions=renditions)
    mine = [each for each in slots(message) if each.recipient.channel == "instagram"]
    assert (len(mine) == 1) is is_whole
    assert mine[0].payload == replace(picture, text=text if is_whole else "")
    assert mine[0].sender_name == "Ana"
    if not is_whole:
        assert all(isinstance(each.payload, Text) and len(each.payload.as_text()) <= 1000 for each in mine[1:])
        assert " ".join(each.payload.as_text() for each in mine[1:]) == f"Ana: {text}".strip()
    [whole] = [each.payload for each in slots(message) if each.recipient.channel == "whatsapp"]
    assert whole == replace(picture, text=text)
