"""Orders that sellers have begun to give and not yet given: sealed, few, and not for long."""
