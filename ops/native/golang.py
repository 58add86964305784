"""Programs built with Go from their released sources, by module path and version."""

from pathlib import Path

from ops.native.install import run

BUILD_LIMIT_S = 3600


def go_install(folder: Path, *programs: str) -> None:
    """Build these (path@version, all of one module) into `folder`, leaving room for what else runs. InstallFailed."""
    settings = {"CGO_ENABLED": "0", "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false -trimpath -p=1"}
    run(["nice", "go", "install", "-ldflags", "-s -w", *programs], BUILD_LIMIT_S, settings)


def go_build(sources: Path, package: str, target: Path) -> None:
    """Build one package of a module that lies in `sources`, which may be changed by it. InstallFailed."""
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -trimpath -mod=mod"}
    command = ["nice", "go", "build", "-C", str(sources), "-ldflags", "-s -w", "-o", str(target), package]
    run(command, BUILD_LIMIT_S, settings)
