"""`python -m webapp.openapi` prints the OpenAPI document; `webapp.requests.openapi` makes it."""

import json
import sys
import tempfile
from pathlib import Path

from chat4all.settings import Settings
from webapp.app import create_app


def main() -> None:
    """Print the document of the default settings."""
    # The application opens what it serves, so it gets a folder of its own.
    with tempfile.TemporaryDirectory() as folder:
        document = create_app(Settings(data=Path(folder), broker="memory://"), {}).api_doc
    json.dump(document, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
