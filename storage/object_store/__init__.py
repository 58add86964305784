"""The object store in a folder, and in MinIO or any S3."""
