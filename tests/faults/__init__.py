"""Through real processes: faults."""
