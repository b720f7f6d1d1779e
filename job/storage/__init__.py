"""Object stores: keys with bytes, on S3 or in a folder."""
