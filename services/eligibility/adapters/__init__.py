"""Eligibility's ports on Postgres and Kafka, and their in-memory twins."""
