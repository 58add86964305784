"""Programs out of Debian packages, unpacked into a folder of our own: nothing is configured or started, and no root needed."""

import os
import platform
import shutil
import tempfile
from pathlib import Path

from ops.native.install import InstallFailed, run

DOWNLOAD_S = 300


def unpack(package: str, folder: Path) -> None:
    """Unpack a package's files into `folder`. InstallFailed where there is no apt."""
    if shutil.which("apt-get") is None:
        raise InstallFailed(f"{package} comes from Debian's archive, and this is {platform.system()} without apt-get")
    with tempfile.TemporaryDirectory() as place:
        _download(package, Path(place))
        for each in Path(place).glob("*.deb"):
            run(["dpkg-deb", "-x", str(each), str(folder)], 60)


def _download(package: str, place: Path) -> None:
    # As root apt would hand the download to a user who may not write here.
    command = ["apt-get", "download", "-o", "APT::Sandbox::User=", package]
    try:
        run(command, DOWNLOAD_S, folder=place)
    except InstallFailed:
        if os.geteuid() != 0:
            raise
        # On a fresh machine apt does not know yet what there is.
        run(["apt-get", "update"], DOWNLOAD_S)
        run(command, DOWNLOAD_S, folder=place)
