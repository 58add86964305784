"""`python -m ops.demo`: people chat. `python -m ops.demo kill`: a worker dies while messages flow."""

import sys

from rich.console import Console

from chat4all.settings import SettingsError, load
from ops.demo import chat, kill
from ops.harness.guard import RealPeople, refuse_real
from ops.harness.system import Running

WIDTH = 120
STORIES = {"chat": chat.tell, "kill": kill.tell}


def main() -> int:
    """Tell the story that was asked for; 1 when it cannot be told, or did not end well."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, highlight=False)
    try:
        settings = load()
        refuse_real(settings)
        story = STORIES[sys.argv[1] if len(sys.argv) > 1 else "chat"]
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
    return 0 if story(system, console) else 1


if __name__ == "__main__":
    sys.exit(main())
