"""Measures a system of its own, on this machine, beside a bare loop that does the same work without any of it."""
