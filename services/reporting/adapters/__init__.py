"""Where projections are kept: Postgres, and the in-memory twin that tests use."""
