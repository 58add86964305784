"""What work leaves behind: events, dead letters, counts. Imports nothing of tasks but each other."""
