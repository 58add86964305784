"""Tests put nothing in the place of what is ours: what they want otherwise they give as an argument. A few edges are left."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("bridges", "chat4all", "ops", "storage", "tasks", "tests", "webapp")
PATCHERS = {"setattr", "setitem", "delattr", "patch", "object", "dict", "multiple"}
# What is replaced of ours, how often, and why it is no argument. This list gets shorter; nothing is added to it.
LEFT = {
    # The clock of a client that sleeps between its tries; other threads of the process keep the real one.
    "tests/chat4all/test_client.py": 1,
    # Logs are of the process: what a module says goes to whoever set them up first.
    "tests/cli/commands.py": 1,
    "tests/webapp/test_app.py": 1,
    "tests/webapp/test_sessions.py": 1,
    # The session and the connections are where a store ends and its database begins: calls are counted, delayed and lost there.
    "tests/contracts/test_cassandra_growth.py": 2,
    "tests/contracts/test_message_store_cassandra.py": 4,
    "tests/storage/test_shrinking.py": 1,
    # What starts and ends programs of others, as root or not, and asks them how they are.
    "tests/faults/test_outcome.py": 1,
    "tests/ops/test_demo.py": 2,
    "tests/ops/test_harness.py": 7,
    "tests/ops/test_native_install.py": 1,
    "tests/ops/test_native_servers.py": 7,
    "tests/ops/test_native_stack.py": 1,
}


def test_nothing_of_ours_is_patched_but_a_few_edges() -> None:
    """Whoever needs another clock, limit, port or function passes it in: a parameter, or a field of a small struct."""
    found = {path.relative_to(ROOT).as_posix(): len(list(_patched(path))) for path in (ROOT / "tests").rglob("*.py")}
    assert Counter(found) - Counter(LEFT) == Counter(), "give it as an argument"
    assert Counter(LEFT) - Counter(found) == Counter(), "take it from the list"


def _patched(path: Path) -> Iterator[str]:
    """What is replaced in a file of tests and is not a library's: a name of ours, or an object that a test holds."""
    tree = ast.parse(path.read_text())
    foreign = {name for node in ast.walk(tree) for name in _foreign(node)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and _replaces(call.func):
            target = _target(call.args[0])
            if target.partition(".")[0] not in foreign and not _is_of_a_library(call.args[0], target):
                yield target


def _replaces(function: ast.expr) -> bool:
    """Whether this is monkeypatch.setattr, patch, patch.object and their like."""
    name = ast.unparse(function)
    return name.rpartition(".")[2] in PATCHERS and "patch" in name


def _target(argument: ast.expr) -> str:
    """What is named, in quotes or not."""
    return ast.unparse(argument).removeprefix("f").strip("'\"")


def _is_of_a_library(argument: ast.expr, target: str) -> bool:
    """Whether a name in quotes begins with none of ours. One that is computed is taken for ours."""
    return isinstance(argument, ast.Constant) and target.partition(".")[0] not in OURS


def _foreign(node: ast.AST) -> list[str]:
    """The names that an import of something that is not ours brings."""
    if isinstance(node, ast.Import):
        return [(each.asname or each.name).partition(".")[0] for each in node.names if each.name.partition(".")[0] not in OURS]
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in OURS:
        return [each.asname or each.name for each in node.names]
    return []
