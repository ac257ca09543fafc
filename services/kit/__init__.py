"""What every service needs to speak Kafka, Postgres and HTTP; nothing here knows what an order is.

Each module is a small promise (see its first line); whatever does I/O is an argument to whoever uses it,
has a Protocol where two forms exist, and ships its in-memory twin beside the real one.
"""
