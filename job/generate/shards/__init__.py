"""A generation in shards: the plan, each shard, and what they leave."""
