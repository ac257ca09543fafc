"""Orders that a seller of the demo gives us: files of every kind that is taken, and one order typed in by hand."""
