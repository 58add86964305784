"""The command line: `chat4all`, or `python -m chat4all`. The only file that knows every process."""

import os
from importlib import import_module

from dotenv import dotenv_values

from chat4all.root import find_service


def main() -> None:
    """Run the command that was typed. What .env in this folder says counts where the environment says nothing."""
    for name, value in dotenv_values(".env").items():
        if value and name not in os.environ:
            os.environ[name] = value
    find_service()
    import_module("chat4all.cli.app").run()


if __name__ == "__main__":
    main()
