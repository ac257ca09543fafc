"""Ingest translates: it reads orders from the platforms and publishes each revision, once known, to `orders.raw`.

Stores are linked here, webhooks are answered here (2xx only when Kafka has the order), and every store is polled
under a lease. What a platform is like is known only to its folder under `platforms/`; everything else speaks to
the `Connector` protocol.
"""
