"""`python -m ops.events`: writes what docs/events.md says of each type of event from the model, its examples from the codec."""

import json
from collections.abc import Iterator, Sequence

from chat4all.model.event_catalog import CATALOG, ENVELOPE, FIELDS, Field
from chat4all.model.event_examples import EXAMPLES, sent_of
from ops.made_pages import DOCS, with_made

PAGE = DOCS / "events.md"


def made() -> str:
    """The envelope, one line for each type, and the fields and examples of each kind."""
    kinds = dict.fromkeys(each.kind for each in CATALOG)
    return "\n\n".join(["## The envelope", _fields(ENVELOPE), "## Types", _types(), *(_kind(each) for each in kinds)])


def _types() -> str:
    lines = [
        "| type | when | kind |",
        "|---|---|---|",
        *(f"| [`{each.name}`](#{each.kind}) | {each.summary} | `{each.kind}` |" for each in CATALOG),
        "| none: streams only | You were away too long: ask for what you show again ([api.md](api.md#streams)) | `reload` |",
    ]
    return "\n".join(lines)


def _kind(kind: str) -> str:
    names = [each.name for each in CATALOG if each.kind == kind]
    said = f"### {kind}\n\n`data` of {', '.join(f'`{each}`' for each in names)}:"
    return "\n\n".join([said, _fields(FIELDS[kind]), *(_example(name) for name in names)])


def _fields(fields: Sequence[Field]) -> str:
    return "\n".join(["| field | JSON | holds |", "|---|---|---|", *_lines(fields)])


def _lines(fields: Sequence[Field], inside: str = "") -> Iterator[str]:
    for each in fields:
        yield f"| `{inside}{each.name}`{'' if each.always else ' (may be absent)'} | {each.form} | {each.means} |"
        yield from _lines(each.inner, f"{inside}{each.name}.")


def _example(name: str) -> str:
    return "\n".join(f"```json\n{json.dumps(sent_of(each), indent=1, ensure_ascii=False)}\n```" for each in EXAMPLES[name])


def page(text: str) -> str:
    """The document with what is made of the model made anew."""
    return with_made(text, "ops.events", made())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
