"""Measures the shape of the code, as docs/decisions/shape.md shows it: `python -m ops.shape`. Reads files, changes none."""

import ast
import statistics
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

from chat4all.root import ROOT

PACKAGES = ("chat4all", "tasks", "bridges", "webapp", "storage")
# Generated.
LEFT_OUT = "chat4all/v1/"
CLASSES = 8


def main() -> None:
    """Print all figures."""
    graph = grimp.build_graph(*PACKAGES)
    print("| package | nodes | arrows | floors | circles |")
    for package in PACKAGES:
        arrows = rooms(graph, package)
        print(f"| {package} | {len(arrows)} | {sum(map(len, arrows.values()))} | {floors(arrows)} | {len(circles(arrows))} |")
    trees = {path: ast.parse(path.read_text()) for path in sources()}
    lengths = [len(path.read_text().splitlines()) for path in trees]
    print(f"files {len(lengths)}, lines {sum(lengths)}: {_spread(lengths)}")
    found = [each for tree in trees.values() for each in functions(tree)]
    print(f"functions {len(found)}: {_spread(found)}")
    print(f"comments per 100 lines: {100 * sum(map(comments, trees)) / sum(lengths):.2f}")
    largest = sorted((each for tree in trees.values() for each in classes(tree)), reverse=True)[:CLASSES]
    print("attributes, methods:", ", ".join(f"{name} {held}, {methods}" for held, methods, name in largest))


def sources() -> list[Path]:
    """All files of the service, without what is generated."""
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(LEFT_OUT)
    ]


def rooms(graph: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """By room of a package, or module that lies in none, those that it imports."""
    nodes = {each for each in graph.modules if each.count(".") == 1 and each.startswith(f"{package}.")}
    arrows: dict[str, set[str]] = {node: set() for node in nodes}
    for importer in graph.modules:
        here = _room(importer)
        for imported in graph.find_modules_directly_imported_by(importer) if here in nodes else ():
            there = _room(imported)
            if there in nodes and there != here:
                arrows[here].add(there)
    return arrows


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circles(arrows: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Sets of nodes that reach each other."""
    reach = {node: _reached(arrows, node) for node in arrows}
    return {frozenset({node, *(each for each in reach[node] if node in reach[each])}) for node in arrows if node in reach[node]}


def _reached(arrows: Mapping[str, set[str]], node: str) -> set[str]:
    found: set[str] = set()
    left = [node]
    while left:
        new = arrows[left.pop()] - found
        found |= new
        left += new
    return found


def floors(arrows: Mapping[str, set[str]]) -> int:
    """How many nodes the longest way down has. 0 where there is a circle: it has no end."""
    if circles(arrows):
        return 0

    def height(node: str) -> int:
        return 1 + max((height(each) for each in arrows[node]), default=0)

    return max(map(height, arrows), default=0)


def functions(tree: ast.Module) -> Iterator[int]:
    """Lines of each function, its name and its docstring with it."""
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (each.end_lineno or each.lineno) - each.lineno + 1


def comments(path: Path) -> int:
    """How many comments a file has that say something to a reader: neither to a linter nor to a type checker."""
    with path.open("rb") as file:
        said = [each.string.lstrip("# ") for each in tokenize.tokenize(file.readline) if each.type == tokenize.COMMENT]
    return sum(not each.startswith(("noqa", "type:", "fmt:", "pragma")) for each in said)


def classes(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """(attributes that are set on self, methods, name) of each class."""
    for each in ast.walk(tree):
        if isinstance(each, ast.ClassDef):
            held = {
                node.attr
                for node in ast.walk(each)
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
            }
            yield len(held), sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in each.body), each.name


def _spread(numbers: list[int]) -> str:
    return f"median {statistics.median(numbers):g}, 90 % below {statistics.quantiles(numbers, n=10)[-1]:g}, most {max(numbers)}"


if __name__ == "__main__":
    main()
