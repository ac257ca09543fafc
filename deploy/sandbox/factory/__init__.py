"""A stand-in for the production system: says what it can make, takes released orders, and answers with its progress.

It speaks Kafka as `docs/production-system.md` asks of the real one and imports nothing of the services or their
schemas. Its book is the truth about what production saw, kept for checks that nothing came twice or not at all.
"""
