"""Work on the bytes of files: checking uploads, fetching what providers bring, deleting. Imports `resources` only."""
