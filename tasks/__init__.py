"""The Celery side: stages over batches of records, the lanes that send, and work on files. Imports `storage` and `chat4all`."""
