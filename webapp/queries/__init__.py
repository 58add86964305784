"""What readers look at, read page by page and batch first. Imports `requests` and `schemas`."""
