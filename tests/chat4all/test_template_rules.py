"""What fits a template, and what people read of it."""

from typing import Any

import pytest

from chat4all.model.content import TemplateParameters
from chat4all.model.template_rules import faults, rendered

ORDER: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"},
    {"type": "BODY", "text": "Dear {{1}}, {{2}} is on its way, {{1}}."},
    {"type": "FOOTER", "text": "Reply STOP to leave"},
    {"type": "BUTTONS", "buttons": [
        {"type": "QUICK_REPLY", "text": "Thanks"}, {"type": "URL", "text": "Follow", "url": "https://x.test/{{1}}"},
    ]},
]  # fmt: skip
FITS = TemplateParameters(("7",), ("Ana", "it"), ("", "a7"))
PICTURE = [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Sale"}]


def test_what_fits_has_no_faults_and_is_shown_with_its_words() -> None:
    """Each place by its number, however often it stands there."""
    assert list(faults(ORDER, FITS)) == []
    assert rendered(ORDER, FITS) == {
        "header": "Order 7",
        "body": "Dear Ana, it is on its way, Ana.",
        "footer": "Reply STOP to leave",
        "buttons": ["Thanks", "Follow https://x.test/a7"],
    }
    picture = TemplateParameters(("https://x.test/a.png",))
    assert list(faults(PICTURE, picture)) == []
    assert rendered(PICTURE, picture) == {"header": "https://x.test/a.png", "body": "Sale"}
    assert rendered([], TemplateParameters()) == {}


@pytest.mark.parametrize(
    ("components", "given", "field", "words"),
    [
        (ORDER, TemplateParameters((), FITS.body, FITS.buttons), "header", "has 1 place here, and 0"),
        (ORDER, TemplateParameters(FITS.header, ("Ana",), FITS.buttons), "body", "has 2 places here, and 1"),
        (ORDER, TemplateParameters(FITS.header, ("a", "b", "c"), FITS.buttons), "body", "and 3"),
        (ORDER, TemplateParameters(FITS.header, FITS.body), "buttons.1", "words for the place"),
        (ORDER, TemplateParameters(FITS.header, FITS.body, ("x", "y")), "buttons.0", "has no place"),
        (ORDER, TemplateParameters(FITS.header, FITS.body, ("", "y", "z")), "buttons", "2 buttons"),
        (PICTURE, TemplateParameters(), "header", "image"),
        (PICTURE, TemplateParameters(("words",)), "header", "https://"),
        ([{"type": "HEADER", "format": "LOCATION"}], TemplateParameters(), "header", "location"),
        ([], TemplateParameters(body=("x",)), "body", "0 places"),
    ],
)
def test_what_does_not_fit_is_named(
    components: list[dict[str, Any]], given: TemplateParameters, field: str, words: str
) -> None:
    """The field, and what the template has there."""
    [(detail, place)] = faults(components, given)
    assert place == field
    assert words in detail
