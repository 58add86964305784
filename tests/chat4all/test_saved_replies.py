"""Variables in saved replies: what is one, what stands in its place, and that values are never read as variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.saved_replies import VARIABLES, Missing, fault_of_text, rendered

VALUES = {"name": "Carla Dias", "first_name": "Carla", "agent": "Bo", "attribute.plan": "pro"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello {{name}}!", "Hello Carla Dias!"),
        ("{{ first_name }}{{first_name}}", "CarlaCarla"),
        ("Hello {{name|you}}, {{ agent_first_name | a friend }}", "Hello Carla Dias, a friend"),
        ("{{agent_first_name|}}.", "."),
        ("{{attribute.plan}} {{attribute.age|old}}", "pro old"),
        ("{{agent_first_name|a|b}} } {x} {", "a|b } {x} {"),
        ("no variables", "no variables"),
        ("", ""),
    ],
)
def test_values_take_the_place_of_variables(text: str, wanted: str) -> None:
    """Where there is none, the words behind the bar."""
    assert fault_of_text(text) == ("", "")
    assert rendered(text, VALUES) == wanted


@pytest.mark.parametrize(
    "text", ["{{nmae}}", "{{}}", "{{Name}}", "{{attribute.}}", "{{attribute.1}}", "{{name.x|y}}", "{{a{{name}}"]
)
def test_what_is_no_variable_is_named(text: str) -> None:
    """With those that there are."""
    code, why = fault_of_text(f"{{{{name}}}} {text}")
    assert code == "unknown_variable"
    assert text[2:].partition("|")[0].removesuffix("}}") in why
    assert all(name in why for name in VARIABLES)


@pytest.mark.parametrize("text", ["{{", "{{name", "{{name}", "{{name}} {{agent"])
def test_a_variable_ends(text: str) -> None:
    """What begins as one and does not end is a mistake."""
    assert fault_of_text(text)[0] == "invalid"


def test_all_that_have_no_value_are_told_once() -> None:
    """In their order, those without words in their place."""
    with pytest.raises(Missing) as missing:
        rendered("{{attribute.b}} {{name}} {{attribute.a}} {{attribute.b}} {{attribute.c|}}", VALUES)
    assert missing.value.names == ["attribute.b", "attribute.a"]


@given(st.text(), st.sampled_from([*VARIABLES, "attribute.x"]), st.text(), st.text())
def test_values_are_put_in_as_they_are(value: str, name: str, before: str, after: str) -> None:
    """Whatever somebody calls themselves: it is neither a variable nor a pattern."""
    around = [each.replace("{", "(") for each in (before, after)]
    text = f"{around[0]}{{{{{name}|x}}}}{around[1]}"
    assert fault_of_text(text) == ("", "")
    assert rendered(text, {name: value}) == f"{around[0]}{value or 'x'}{around[1]}"
