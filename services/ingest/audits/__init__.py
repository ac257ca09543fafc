"""Audits: a platform's own list of orders against what reached the report, until both agree."""
