"""Outgoing webhooks: sellers' own systems are told what becomes of their orders, signed, again and again for a day.

`notices` says what is told of which fact, `endpoints` what becomes of an address and of each delivery, `signing` how a
receiver knows us, `taking` reads the facts, `sending` delivers. They live in ingest, which keeps what sellers set up:
the report's tables may be built anew at any time.
"""
