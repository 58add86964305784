"""What docs/decisions/shape.md says of the code is measured, and measured rightly."""

import ast
from pathlib import Path

import grimp
import pytest

from ops import shape

CODE = '''"""A file."""  # noqa: X

# A reason.
class HeldKey:
    def __init__(self) -> None:
        self.one, self.two = 1, 2

    async def act(self) -> None:
        """Act."""
        self.one = 3
'''


def test_rooms_know_those_that_they_import() -> None:
    """A module deep in a room counts for its room; one in no room for itself; what lies in another package for nobody."""
    graph = grimp.ImportGraph()
    for importer, imported in (("p.a.x", "p.b.y"), ("p.a.z", "p.a.x"), ("p.b", "p.c"), ("p.c", "q.a")):
        for each in ("p.a", importer, imported):
            graph.add_module(each)
        graph.add_import(importer=importer, imported=imported)
    found = shape.rooms(graph, "p")
    assert {node: arrows for node, arrows in found.items() if arrows} == {"p.a": {"p.b"}, "p.b": {"p.c"}}
    assert shape.floors(found) == 3


@pytest.mark.parametrize(
    ("arrows", "circles", "floors"),
    [
        ({}, 0, 0),
        ({"a": {"b"}, "b": set()}, 0, 2),
        ({"a": {"b"}, "b": {"a"}}, 1, 0),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"e"}, "e": {"c"}, "f": {"a", "c"}}, 2, 0),
    ],
)
def test_circles_are_found(arrows: dict[str, set[str]], circles: int, floors: int) -> None:
    """Each once, however many lie on it; who only leads into one is on none."""
    assert len(shape.circles(arrows)) == circles
    assert shape.floors(arrows) == floors


def test_lines_comments_and_classes_are_counted(tmp_path: Path) -> None:
    """A word to a linter is no comment, and an attribute that is set twice is one."""
    file = tmp_path / "code.py"
    file.write_text(CODE)
    tree = ast.parse(CODE)
    assert list(shape.functions(tree)) == [2, 3]
    assert shape.comments(file) == 1
    assert list(shape.classes(tree)) == [(2, 2, "HeldKey")]


def test_no_room_is_on_a_circle(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it is printed, and the last column of the rooms is nought everywhere."""
    shape.main()
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("| ") and "package" not in line]
    assert [row.split(" | ")[0] for row in rows] == [f"| {each}" for each in shape.PACKAGES]
    assert all(row.endswith("| 0 |") for row in rows)
    assert "comments per 100 lines" in said
