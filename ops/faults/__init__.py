"""Faults under load, one after the other, judged by checker.py: `python -m ops.faults`."""
