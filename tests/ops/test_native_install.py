"""Installing: once, whole, and saying what is missing."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.native.__main__ import app
from ops.native.install import InstallFailed, install_once, is_installed, run
from ops.native.k6 import K6
from ops.native.maven import _project
from ops.native.packages import PACKAGES
from ops.native.processes import Server
from ops.native.stack import PROGRAMS, TOOLS


def test_installed_once(tmp_path: Path) -> None:
    """The same stamp is built once; another stamp replaces it whole."""
    folder = tmp_path / "server"
    assert install_once(folder, "1", lambda draft: (draft / "one").touch())
    assert not install_once(folder, "1", lambda draft: pytest.fail("built twice"))
    assert install_once(folder, "2", lambda draft: (draft / "two").touch())
    assert is_installed(folder, "2")
    assert sorted(each.name for each in folder.iterdir()) == ["installed", "two"]


def test_a_failed_build_counts_for_nothing(tmp_path: Path) -> None:
    """What a failed build left is not taken for an installation, and the next build removes it."""
    folder = tmp_path / "server"

    def fail(draft: Path) -> None:
        (draft / "half").touch()
        raise InstallFailed("no network")

    with pytest.raises(InstallFailed):
        install_once(folder, "1", fail)
    assert not folder.exists()
    install_once(folder, "1", lambda draft: (draft / "whole").touch())
    assert sorted(each.name for each in tmp_path.iterdir()) == [".server.lock", "server"]


def test_a_failed_step_says_why(tmp_path: Path) -> None:
    """The end of a failed command's output is in the error; so is the name of one that is missing, or too slow."""
    with pytest.raises(InstallFailed, match="no such luck"):
        run([sys.executable, "-c", "raise SystemExit('no such luck')"], 30)
    with pytest.raises(InstallFailed, match="surely-not-there"):
        run(["surely-not-there"], 30)
    with pytest.raises(InstallFailed, match="longer"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)


def test_a_project_names_its_coordinates() -> None:
    """Every coordinate becomes a dependency with its version."""
    text = _project(("a.b:c:1", "d:e:2"))
    assert "<groupId>a.b</groupId><artifactId>c</artifactId><version>1</version>" in text
    assert text.count("<dependency>") == 2


# A tool that writes down how it was called, and what of its surroundings matters; then it does what is said of it.
TOOL = """#!/bin/sh
echo "$(basename "$0") $* GOBIN=$GOBIN CGO=$CGO_ENABLED IN=$PWD" >>{calls}
{does}
"""
DOES = {
    "mvn": """for each in "$@"; do case "$each" in -DoutputDirectory=*) touch "${each#*=}/kafka.jar"; esac; done""",
    "go": """case "$1 $2" in
"mod download") echo '{"Dir": "'"$MODULE"'"}';;
"install "*) for each in "$@"; do case "$each" in *@*) path="${each%@*}"; touch "$GOBIN/${path##*/}"; esac; done;;
"build "*) while [ "$1" != "-o" ]; do shift; done; touch "$2";;
esac""",
    "nice": 'exec "$@"',
    "apt-get": """case "$1" in download) [ -e "$UPDATED" ] || exit 100; touch package.deb;; update) touch "$UPDATED";; esac""",
    "dpkg-deb": 'mkdir -p "$3/usr/bin"',
}


class Tools:
    """Every tool that installs, as a small script. `calls`: how they were called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._calls = folder, folder / "calls"
        self.monkeypatch = monkeypatch
        (folder / "module").mkdir()
        (folder / "module" / "main.go").touch(mode=0o444)
        for name, does in DOES.items():
            script = folder / name
            script.write_text(TOOL.replace("{calls}", str(self._calls)).replace("{does}", does))
            script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setenv("MODULE", str(folder / "module"))
        monkeypatch.setenv("UPDATED", str(folder / "updated"))

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    folder = tmp_path / "tools"
    folder.mkdir()
    return Tools(folder, monkeypatch)


CALLED = {
    "kafka": ["mvn -q -B -ntp -f "],
    "cassandra": ["mvn -q -B -ntp -f "],
    "minio": ["nice go install", "go install -ldflags -s -w github.com/minio/minio@v"],
    "alertmanager": ["nice go install", "alertmanager@v0.28.1 github.com/prometheus/alertmanager/cmd/amtool@v0.28.1"],
    "jaeger": ["go mod download -json github.com/jaegertracing/jaeger@v1", "nice go build", "./cmd/jaeger GOBIN= CGO=0"],
    "k6": ["nice go install", "go.k6.io/k6@v"],
    "prometheus": ["apt-get download -o APT::Sandbox::User= prometheus ", "apt-get update", "apt-get download", "dpkg-deb -x"],
    "node-exporter": ["apt-get download", "apt-get update", "prometheus-node-exporter", "dpkg-deb -x"],
}
THERE = {
    "kafka": "lib/kafka.jar", "cassandra": "lib/kafka.jar", "minio": "minio", "alertmanager": "amtool", "jaeger": "jaeger",
    "k6": "k6", "prometheus": "usr/bin", "node-exporter": "usr/bin",
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_every_line_of_the_table_installs(name: str, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each calls its tool with what it names, at a low priority where it compiles, fills its folder once, and leaves nothing
    else there. Who may, lets apt look what there is.
    """
    monkeypatch.setattr("os.geteuid", lambda: 0)
    known: dict[str, type[Server] | type[K6]] = {**PROGRAMS, **TOOLS}
    program = known[name]
    home = tmp_path / "home"
    assert not program.is_installed(home)
    assert program.install(home)
    assert program.is_installed(home)
    assert (home / name / THERE[name]).exists()
    assert not (home / name / "sources").exists()
    calls = tools.calls
    assert [any(each in call for call in calls[place : place + 1]) for place, each in enumerate(CALLED[name])] == [
        True for _ in CALLED[name]
    ], calls
    assert not program.install(home)
    assert tools.calls == calls


def test_who_may_not_update_is_told(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where apt does not know the package, only root can let it look; nothing counts as installed."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InstallFailed, match="apt-get ended with 100"):
        PROGRAMS["prometheus"].install(tmp_path)
    assert not PROGRAMS["prometheus"].is_installed(tmp_path)
    assert len(tools.calls) == 1


def test_a_package_needs_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no apt-get that is said, and nothing counts as installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallFailed, match="apt-get"):
        PROGRAMS["prometheus"].install(tmp_path)
    assert not PROGRAMS["prometheus"].is_installed(tmp_path)


def test_rabbitmq_is_debians(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has it installed, once; anybody else is told the command."""
    rabbitmq = PROGRAMS["rabbitmq"]
    monkeypatch.setattr("ops.native.rabbitmq.PROGRAM", tmp_path / "rabbitmq-server")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InstallFailed, match="sudo apt-get install"):
        rabbitmq.install(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert rabbitmq.install(tmp_path)
    assert "install -y --no-install-recommends rabbitmq-server" in tools.calls[-1]
    (tmp_path / "rabbitmq-server").touch()
    assert not rabbitmq.install(tmp_path)


def test_the_command_line_installs(tools: Tools, tmp_path: Path) -> None:
    """What is missing is installed and what is there is left; a failure is said in one line, with the server's name."""
    call = CliRunner().invoke
    words = ["install", "kafka", "k6", "--home", str(tmp_path / "home")]
    assert "kafka: installed in" in call(app, words).output
    again = call(app, words)
    assert (again.exit_code, again.output) == (0, "kafka: is there\nk6: is there\n")
    tools.monkeypatch.setenv("PATH", str(tmp_path))
    failed = call(app, ["install", "minio", "--home", str(tmp_path / "home")])
    assert (failed.exit_code, "minio: nice is not on the PATH" in failed.output) == (1, True)
