"""A bucket as a storage: S3, and what speaks like it. Only ``options`` can be imported without the extra ``s3``."""
