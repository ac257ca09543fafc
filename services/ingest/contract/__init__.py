"""What ingest and a platform say to each other; a platform's folder needs nothing else of ingest but common ways."""
