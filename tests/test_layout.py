"""The layout holds: names that we use at the top level are ours alone, and every test folder is a package."""

from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("webapp", "tasks", "bridges", "proto", "storage", "ops", "tests")


def test_no_dependency_brings_a_top_level_name_of_ours() -> None:
    """Nothing that is installed would shadow our folders."""
    taken = {name: packages_distributions()[name] for name in OURS if name in packages_distributions()}
    assert taken == {}


def test_every_folder_of_tests_is_a_package() -> None:
    """Without __init__.py, tests/tasks would shadow tasks."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_requirements_are_pinned_exactly() -> None:
    """A fresh clone next year installs what was tested."""
    lines = [*(ROOT / "requirements.txt").read_text().splitlines(), *(ROOT / "requirements-dev.txt").read_text().splitlines()]
    loose = [line for line in lines if line and not line.startswith(("#", "-r")) and "==" not in line]
    assert loose == []


def test_every_room_says_in_its_first_line_what_it_holds() -> None:
    """Whoever opens a folder of the service reads there what is in it."""
    tops = ("chat4all", "tasks", "bridges", "webapp", "storage")
    rooms = {path.parent for top in tops for path in (ROOT / top).rglob("*.py")}
    texts = {room: (room / "__init__.py").read_text() if (room / "__init__.py").exists() else "" for room in rooms}
    assert [str(room) for room, text in sorted(texts.items()) if not text.startswith('"""')] == []
