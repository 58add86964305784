"""What the API shows: history, conversations, a message with its deliveries; in pages. Imports `requests` and `schemas`."""
