"""Making renditions of files: the job of a worker, and the process of its own that reads what strangers sent."""
