"""A generation in shards on a cluster: what its pods keep in the store, and bring."""
