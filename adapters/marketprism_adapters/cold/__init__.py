"""Places of archived files: a folder, or an S3-compatible store."""
