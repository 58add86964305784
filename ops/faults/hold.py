"""`python -m ops.faults.hold FILE…`: hold the write lock of SQLite files until stdin ends, as a writer that hangs does."""

import sqlite3
import sys

PATIENCE_S = 10.0


def main() -> None:
    """Take every lock, say "held", keep them until somebody closes stdin."""
    held = [sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None) for path in sys.argv[1:]]
    for each in held:
        each.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    sys.stdin.read()
    for each in held:
        each.execute("ROLLBACK")
        each.close()


if __name__ == "__main__":
    main()
