"""HTTP: typed routes that describe themselves, a server with limits, keys, idempotent writes, a careful client."""
