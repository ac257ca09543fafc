"""Postgres: a pool bound to one schema, numbered plain SQL migrations, and named SQL files."""
