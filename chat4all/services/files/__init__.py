"""What becomes of a file, and fetching one by HTTP. Imports no other service."""
