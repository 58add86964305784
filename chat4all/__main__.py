"""The command line: `chat4all`, or `python -m chat4all`. The only file that knows every process."""

import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the command that was typed."""
    # Only `chat4all` is installed; what it starts and speaks is found beside it, from whatever folder it is called.
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    import_module("chat4all.cli.app").run()


if __name__ == "__main__":
    main()
