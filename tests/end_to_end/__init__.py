"""Through real processes."""
