"""Polls: when each store is read next, and the reading of everything that changed since."""
