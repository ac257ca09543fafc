"""Stores: how they are linked, what they may do, whose secrets they keep, and how their pages are read."""
