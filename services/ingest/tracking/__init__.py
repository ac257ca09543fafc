"""Tracking numbers on their way home: one parcel, written once, read back."""
