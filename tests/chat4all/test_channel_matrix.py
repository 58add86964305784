"""What channels declare, as the API and the docs show it, is what acceptance does."""

from typing import get_args

import pytest
from hypothesis import given

from chat4all.model.content import MEDIA_KINDS, MODIFIERS, Content, Media, Text, kinds, type_of
from chat4all.model.drafts import Sendable, content_of
from chat4all.model.media_forms import READ_MOST, form_for
from chat4all.ports import Limits
from chat4all.services.acceptance.adaptation import carried
from chat4all.services.acceptance.channel_matrix import contents
from ops.channels import PAGE, declared, page
from tests.contents import contents as made

SENT = [each for each in get_args(Sendable) if each not in (Text, *MODIFIERS)]


def test_the_page_is_made_of_what_is_declared() -> None:
    """Run `python -m ops.channels` after a channel learned something."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run python -m ops.channels"


@pytest.mark.parametrize("name", declared())
def test_a_channel_says_something_of_every_kind(name: str) -> None:
    """No kind is left out, and none is declared that does not exist."""
    limits = declared()[name]
    assert list(contents(limits)) == kinds()
    assert limits.contents <= set(kinds())
    assert set(contents(limits).values()) <= {"native", "adapted", "refused"}


@pytest.mark.parametrize("name", declared())
@given(made(*SENT).map(content_of))
def test_what_is_called_adapted_is_never_sent_as_it_is(name: str, content: Content) -> None:
    """And what is native goes as it is, unless it does not fit."""
    limits: Limits = declared()[name]
    fate = contents(limits)[type_of(content)]
    as_it_is = not isinstance(content, Media) and carried(content, limits) is not None
    assert fate == "native" or not as_it_is


@pytest.mark.parametrize("name", declared())
def test_what_a_channel_shows_it_takes(name: str) -> None:
    """Each type, as large as it says; and something is made of all that it does not show, where that can be made at all."""
    limits = declared()[name]
    assert set(limits.shown) <= set(MEDIA_KINDS) - {"document"}
    for kind, types in limits.shown.items():
        for mime_type, most in types.items():
            assert limits.takes(mime_type, most, ""), (kind, mime_type)
            assert form_for(Media("f", mime_type=mime_type, size=most, object_key="k", kind=kind), limits.shown) is None
    made = {each: form_for(Media("f", mime_type=each, size=1, object_key="k"), limits.shown) for each in NOT_SHOWN}
    assert all(made.values()), made
    assert form_for(Media("f", mime_type="image/heic", size=READ_MOST + 1, object_key="k"), limits.shown) is None
    assert form_for(Media("f", mime_type="image/heic", size=1, object_key="k", kind="document"), limits.shown) is None


NOT_SHOWN = ("image/heic", "image/avif", "image/tiff", "audio/flac", "audio/webm", "video/x-matroska")
