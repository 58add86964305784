"""What may stand in front of somebody's words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.conversations import Conversation, ConversationType, Membership, User, UserKind
from chat4all.model.display_names import NAME_MOST, cleaned, fault
from chat4all.services.acceptance.recipients import speaker

GROUP = Membership.founded(Conversation("c", ConversationType.GROUP, "x", 1), ["x"])
TRICKS = [
    "Bank\nhttps://evil.example/login",
    "Bank\r\nYour code is 1234",
    "Bank\u2028line",
    "Bank\u2029paragraph",
    "\u202egnp.exe",
    "a\u2066b\u2069",
    "a\u200bb",
    "a\x00b",
    "a\x7fb",
    "a\x85b",
    "see www.evil.example",
    "HTTPS://EVIL.example",
    "hthttp://tp://evil",
    "\U000e0041x",
    "\u3164",
    "a\u2800b",
    "Bank evil.com",
    "bit.ly/abc",
    "pay.example.museum/now",
    "mailto:a@b",
    "tg://resolve?domain=x",
]
GOOD = [
    "Carla",
    "José Ñandú",
    "Łukasz 🙂",
    "👩\u200d💻 Dev",
    "\u0915\u094d\u200d\u0937",
    "O'Neil, Dr.",
    "日本 太郎",
    "Acme Inc. (Support)",
    "J.R.R. Tolkien",
    "Node.js",
    "D.J. Co.",
]


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_are_refused_and_defused(name: str) -> None:
    """Who registers is told; of what providers bring the harmless rest is left."""
    assert fault(name)
    assert fault(cleaned(name)) == ""


@pytest.mark.parametrize("name", GOOD)
def test_names_of_people_stay_as_they_are(name: str) -> None:
    """Any script, joiners and emoji included."""
    assert (fault(name), cleaned(name)) == ("", name)


@given(st.text())
def test_a_cleaned_name_is_one_short_line_that_says_what_it_shows(name: str) -> None:
    """Whatever somebody calls themselves."""
    clean = cleaned(name)
    assert len(clean) <= NAME_MOST
    assert len(clean.splitlines()) <= 1
    assert not any(unicodedata.category(each).startswith("C") for each in clean if each not in "\u200c\u200d")
    assert fault(clean) == ""
    assert cleaned(clean) == clean


@given(st.text(), st.text())
def test_what_stands_in_front_of_words_is_clean(name: str, called: str) -> None:
    """Also names that were kept before there were rules for them."""
    front = speaker(GROUP, User("x", UserKind.CONTACT, 1, name), called)
    assert front in {cleaned(name), cleaned(called), "Contact"} - {""}
