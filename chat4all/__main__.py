"""The command line: `chat4all`, or `python -m chat4all`. The only file that knows every process."""

from importlib import import_module

from chat4all.root import find_service


def main() -> None:
    """Run the command that was typed."""
    find_service()
    import_module("chat4all.cli.app").run()


if __name__ == "__main__":
    main()
