"""How one ingest process is put together: what everything stands on, what is scheduled, what is answered."""
