"""What stages and lanes both produce: events, dead letters, counts. The modules import nothing of tasks but each other."""
