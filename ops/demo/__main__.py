"""`python -m ops.demo`: people chat, here and across platforms, with files and more. Under load: kill, failover, scale."""

import sys

from rich.console import Console

from chat4all.cli.running import beside_running
from chat4all.settings import SettingsError
from ops.demo import across, chat, contents, failover, files, kill, load, scale
from ops.harness.guard import RealPeople, refuse_connected, refuse_real
from ops.harness.system import Running

WIDTH = 120
STORIES = {
    "chat": chat.tell,
    "across": across.tell,
    "files": files.tell,
    "contents": contents.tell,
    "kill": kill.tell,
    "failover": failover.tell,
    "scale": scale.tell,
    "load": load.tell,
}
USUAL = ("chat", "across", "files", "contents")


def main() -> int:
    """Tell the stories that were asked for; 1 when one cannot be told, or did not end well."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, highlight=False)
    try:
        settings = beside_running()
        refuse_real(settings)
        stories = [STORIES[name] for name in sys.argv[1:] or USUAL]
    except (SettingsError, RealPeople) as error:
        console.print(f"[red]{error}")
        return 1
    except KeyError:
        console.print(f"[red]There are these stories: {', '.join(STORIES)}.")
        return 1
    system = Running(settings)
    if not system.answers():
        console.print(f"[red]Nothing runs on {settings.data.resolve()}. Start it in another terminal first: make run")
        return 1
    try:
        refuse_connected(settings)
    except RealPeople as error:
        console.print(f"[red]{error}")
        return 1
    return 0 if all(story(system, console) for story in stories) else 1


if __name__ == "__main__":
    sys.exit(main())
