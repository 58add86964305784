"""`python -m ops.metrics`: writes the tables of docs/metrics.md from chat4all/telemetry/metrics.py."""

from pathlib import Path

from chat4all.telemetry import metrics  # noqa: F401 - importing it declares them
from chat4all.telemetry.instruments import DECLARED, Declared

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
BEGIN, END = "<!-- made by python -m ops.metrics -->", "<!-- end -->"
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
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
