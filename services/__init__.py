"""Ingest translates, eligibility judges, reporting remembers.

Each verb is one service; they meet only in Kafka topics, and share nothing but `services.kit` and `schemas`.
"""
