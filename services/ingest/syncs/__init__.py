"""Manual syncs: a period that a seller asks for, read to its end, and dry runs of it."""
