"""`python -m ops.metrics`: writes the tables of docs/metrics.md from chat4all/telemetry/metrics.py."""

from chat4all.telemetry import metrics  # noqa: F401 - importing it declares them
from chat4all.telemetry.instruments import DECLARED, Declared
from ops.made_pages import DOCS, with_made

PAGE = DOCS / "metrics.md"
EVERYWHERE = "everywhere"


def table() -> str:
    """A line for each metric, in the order of their declaration."""
    lines = ["| metric | type | labels | exposed by | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_line(each) for each in DECLARED.values())])


def _line(each: Declared) -> str:
    where = ", ".join(each.where) or EVERYWHERE
    return f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {where} | {each.help} |"


def page(text: str) -> str:
    """The document with its table made anew."""
    return with_made(text, "ops.metrics", table())


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
