"""`python -m ops.grafana`: writes every dashboard's JSON."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ops.grafana.boards import BOARDS
from ops.grafana.panels import made

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """What each file has in it."""
    return {FOLDER / f"{each.uid}.json": _encoded(made(each).build()) for each in BOARDS}


def _encoded(board: object) -> str:
    return JSONEncoder(sort_keys=True, indent=2).encode(board) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text)
