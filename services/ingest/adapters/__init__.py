"""Ingest's ports over Postgres, and in memory for tests. Kafka needs none here: the kit's publisher is the port."""
