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
    assert [path for path in (*needed, "requirements.lock") if is_left_out(path)] == []


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


LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", LOCK, re.M))


def plain(name: str) -> str:
    """A package's name as the registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_image_installs_what_was_locked() -> None:
    """With the hash of each file, and without a tool that is fetched meanwhile."""
    assert "pip install --require-hashes -r requirements.lock" in DOCKERFILE
    assert "--no-build-isolation" in DOCKERFILE
    for block in re.split(r"\n(?=[A-Za-z0-9])", LOCK.partition("\n")[2].strip()):
        assert "==" in block.partition("\n")[0], block
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_the_lock_is_that_of_the_requirements() -> None:
    """Whoever changes a version runs `make lock`; what is constrained is locked as it is constrained."""
    locked = {plain(name): version for name, version in LOCKED.items()}
    pin = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.M)
    wanted = {plain(name): version for name, version in pin.findall((ROOT / "requirements.txt").read_text())}
    assert {name: locked.get(name) for name in wanted} == wanted
    constrained = {plain(name): version for name, version in pin.findall((ROOT / "constraints.txt").read_text())}
    assert {name: locked[name] for name in constrained.keys() & locked.keys()} == {
        name: constrained[name] for name in constrained.keys() & locked.keys()
    }
