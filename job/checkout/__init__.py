"""What brings code and files in: git repositories, and objects of S3."""
