"""supervisord with one addition: at Ctrl-C it prints that it is stopping, because stopping takes some seconds."""

import signal
import sys

from supervisor import supervisord
from supervisor.options import ServerOptions

ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT}


class Options(ServerOptions):  # type: ignore[misc]
    """The supervisor's own, which it asks for signals that came."""

    def get_signal(self) -> int | None:
        """As supervisor's; of one that ends everything people are told."""
        came: int | None = super().get_signal()
        if came in ENDING:
            sys.stdout.write("\nStopping: what is under way is ended first …\n")
            sys.stdout.flush()
        return came


def main() -> None:
    """Run until told to stop; arguments as supervisord's."""
    # supervisord has no other place to say which options it should make.
    supervisord.ServerOptions = Options
    supervisord.main()


if __name__ == "__main__":
    main()
