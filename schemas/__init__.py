"""The words that services say to each other: ids, money, orders and the events on every topic.

Everything here is a frozen Pydantic value. Services import this package and never one another, so a change
here is a change to what all of them, and the production system, can read: `python -m schemas.generate` writes
the JSON Schemas, and a test refuses one that an older reader could not read.
"""
