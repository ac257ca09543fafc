"""Eligibility judges: it decides which orders production may make, and tells production so exactly once.

Raw orders come in by Kafka, facts (matches, approvals, top-ups) by HTTP. Both end in one Postgres transaction that
holds the decision, the charge and the messages to send; a relay for each shard then publishes the messages in order.
"""
