"""Where the service's own folders are: `webapp`, `tasks`, `bridges`, `storage`, `ops` and celeryconfig.py.

In a checkout they are beside this package. An installed wheel keeps them inside it, in `_service`, so that a name as common as
`tasks` is not a top-level name in site-packages; processes of the service run in that folder.
"""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_service"

ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def find_service() -> None:
    """Let this process import the service's folders, from whatever folder it was started."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
