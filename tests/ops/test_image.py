"""What goes into the image, as far as it shows without a container engine."""

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LEFT_OUT = (ROOT / ".dockerignore").read_text().split()
# Made anew when the image is built.
STUBS = "chat4all/v1/*_pb2*.py*"


def is_left_out(path: str) -> bool:
    """Whether a pattern of .dockerignore names it, and none takes it back in."""
    named = any(fnmatch(path, each.removeprefix("**/")) for each in LEFT_OUT if not each.startswith("!"))
    return named and f"!{path}" not in LEFT_OUT


def test_what_git_ignores_stays_out() -> None:
    """Nobody's .env, data, servers or caches are baked into an image that is passed on."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()} - {STUBS, "*.pyc"}
    assert [path for path in sorted(ignored) if not is_left_out(path)] == []
    assert is_left_out(".git")
    assert is_left_out(".env.production")
    assert not is_left_out(".env.example")


def test_what_is_needed_goes_in() -> None:
    """Every folder with code of the service, its requirements, and its metadata."""
    needed = ("bridges", "chat4all", "ops", "proto", "storage", "tasks", "webapp", "celeryconfig.py", "pyproject.toml")
    assert [path for path in (*needed, "requirements.txt", "constraints.txt") if is_left_out(path)] == []


def test_it_runs_as_nobody_special_whose_home_it_may_write() -> None:
    """Everything else belongs to root: a login is kept in the home, and sources are compiled before."""
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    user = re.search(r"useradd .*--uid (\d+) --home-dir (\S+)", final)
    assert user is not None
    number, home = user.groups()
    assert f"USER {number}\n" in final
    assert f"install -d -o chat4all -g chat4all {home}\n" in final
    assert f"CHAT4ALL_DATA={home}" in final
    assert f"VOLUME {home}\n" in final
    assert "compileall" in DOCKERFILE
