"""Installing: once, whole, and saying what is missing."""

import sys
from pathlib import Path

import pytest

from ops.native.debian import has_package, install_package
from ops.native.install import InstallFailed, install_once, is_installed, run
from ops.native.maven import _project


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


def test_a_package_needs_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no apt-get that is said, and nothing counts as installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallFailed, match="apt-get"):
        install_package(tmp_path, "prometheus", "prometheus")
    assert not has_package(tmp_path, "prometheus", "prometheus")


def test_a_project_names_its_coordinates() -> None:
    """Every coordinate becomes a dependency with its version."""
    text = _project(("a.b:c:1", "d:e:2"))
    assert "<groupId>a.b</groupId><artifactId>c</artifactId><version>1</version>" in text
    assert text.count("<dependency>") == 2
