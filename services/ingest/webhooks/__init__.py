"""Webhooks and queues: what platforms tell us by themselves, and whether they still do."""
