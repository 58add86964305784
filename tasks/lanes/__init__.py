"""Sending: who holds a lane, in what order its rows are sent, one attempt. Imports `stages`, `outcomes` and `resources`."""
