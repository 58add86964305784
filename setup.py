"""What pyproject.toml cannot say: the stubs are generated, and the service's folders go into the wheel inside the package.

An installed `chat4all` brings one name to the top of site-packages, its own; see chat4all/root.py.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
FOLDERS = ("webapp", "tasks", "bridges", "storage", "ops/simulator", "ops/supervisor")
FILES = ("celeryconfig.py", "ops/__init__.py")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.pyc")


class Whole(build_py):
    """The package, its stubs, and `_service`."""

    def run(self) -> None:
        """As setuptools does; an editable install needs no more, since the folders are beside it."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib).resolve()
        proto = "proto/chat4all/v1/chat.proto"
        outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-Iproto", *outputs, proto], cwd=HERE, check=True)  # noqa: S603
        service = target / "chat4all" / "_service"
        for folder in FOLDERS:
            shutil.copytree(HERE / folder, service / folder, ignore=NOT_SOURCES, dirs_exist_ok=True)
        for file in FILES:
            shutil.copy2(HERE / file, service / file)


setup(cmdclass={"build_py": Whole})
