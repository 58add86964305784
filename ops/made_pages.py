"""Pages of docs of which a part is made from the code."""

from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
END = "<!-- end -->"


def with_made(page: str, module: str, made: str) -> str:
    """The page with what `python -m <module>` makes of it made anew; all around it stays."""
    begin = f"<!-- made by python -m {module} -->"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(END)
    return f"{head}{begin}\n{made}\n{END}{tail}"
