"""Orders that sellers give us themselves, one by one and in batches."""
