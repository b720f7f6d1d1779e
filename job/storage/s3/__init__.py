"""An object store in a bucket."""
