"""Faults under load, one after the other, judged by the checker in tests/faults: `python -m ops.faults`."""
