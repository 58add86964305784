"""Names and types of files: what is mended, what is refused, and by which name a type is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.files import ALIASES, ANY_TYPE, NAME_MOST, checked_name, checked_type, disposition, mended_name, name_in
from chat4all.settings import Settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('the "best" of.pdf', "the “best” of.pdf"),
        ('"a".txt', "“a”.txt"),
        ('12" single.mp3', "12“ single.mp3"),
        ("it's.txt", "it's.txt"),
        ("a", "a"),
        ("e\u0301.txt", "\u00e9.txt"),
    ],
)
def test_names_with_quotation_marks_are_mended(given: str, kept: str) -> None:
    """They are what people call things; in a header they would end the name."""
    assert checked_name(given) == kept
    assert mended_name(given, "text/plain") == kept


@given(st.text(max_size=300))
def test_every_name_is_refused_or_harmless(name: str) -> None:
    """What is kept fits, is kept as it is again, and cannot leave its place in a header; a provider's always has one."""
    mended = mended_name(name, "image/png")
    for kept in (mended, *_checked(name)):
        assert checked_name(kept) == kept
        assert 0 < len(kept.encode()) <= NAME_MOST
        assert not set(kept) & set('/\\"\r\n\0')
        assert disposition(kept).count('"') == 2


def _checked(name: str) -> list[str]:
    try:
        return [checked_name(name)]
    except (ValueError, UnicodeEncodeError):
        return []


@pytest.mark.parametrize("alias", ALIASES)
def test_a_types_other_names_are_its_own(alias: str) -> None:
    """With parameters and in any case; the name that is kept has no other."""
    known = ALIASES[alias]
    assert checked_type(f"{alias.upper()}; a=b", "x") == known
    assert checked_type(known, "x") == known
    assert known not in ALIASES


@pytest.mark.parametrize("channel", ["whatsapp", "telegram"])
@pytest.mark.parametrize("given", ["image/jpg", "audio/mp3", "application/x-zip-compressed", "image/pjpeg", "audio/x-m4a"])
def test_what_goes_under_its_name_goes_under_its_aliases(channel: str, given: str, settings_here: Settings) -> None:
    """As media, not as a text with a link."""
    assert open_channel(channel, settings_here).limits.takes(checked_type(given, "x"), 1000, "")


@pytest.fixture
def settings_here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    assert "whatsapp" in CHANNELS
    return Settings(data=tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(("given", "kept"), [("", "image/png"), ("  ", "image/png"), ("text/plain", "text/plain")])
def test_no_type_is_that_of_the_name(given: str, kept: str) -> None:
    """And where the name says nothing, any."""
    assert checked_type(given, "a.png") == kept
    assert checked_type("", "a") == ANY_TYPE


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://cdn.fbsbx.com/v/t59/bill%20of%20May.pdf?_nc=1&oh=x.exe", "bill of May.pdf"),
        ("https://scontent.xx.fbcdn.net/v/t1/123_n.jpg?_nc_cat=1", "123_n.jpg"),
        ("https://lookaside.fbsbx.com/ig/?asset_id=1", ""),
        ("https://a.example/..", ""), ("https://a.example/file", ""),
        ("https://a.example/%2e%2e%2fetc%2fpasswd.txt", "passwd.txt"),
        ("AgACAgQAAx.kF", ""), ("1234567", ""), ("", ""), ("https://[", ""), ("https://a.example/.png", ""),
    ],
)  # fmt: skip
def test_a_file_may_be_called_by_its_address(url: str, name: str) -> None:
    """Where it looks like a file's name; an id of a file is none."""
    assert name_in(url) == name
