"""`chat4all send --or-template`: what it says of the message."""

import pytest

from chat4all.cli.contents import outside_window
from chat4all.client import ApiError


def test_a_template_and_its_parameters_are_named_in_one_word() -> None:
    """Nothing says nothing; parameters stand in the body's places, in order."""
    assert outside_window("") == {}
    assert outside_window("hello:en_US") == {"outside_window": {"template": {"name": "hello", "language": "en_US"}}}
    filled = {"name": "order", "language": "de", "parameters": {"body": ["1", "two words"]}}
    assert outside_window("order:de:1:two words") == {"outside_window": {"template": filled}}


@pytest.mark.parametrize("wrong", ["hello", ":de"])
def test_half_a_template_is_none(wrong: str) -> None:
    """It says how one is written."""
    with pytest.raises(ApiError, match="name:language"):
        outside_window(wrong)
