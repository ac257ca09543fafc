"""Errors of the local parts, each telling the person at the terminal what to do."""

from __future__ import annotations


class LocalStackError(Exception):
    """A local part cannot run as things are; the text is one line that says what to do."""


class DirectoryInUseError(LocalStackError):
    """Another process runs the parts of this data directory: use that one, stop it, or take another directory."""


class StartFailedError(LocalStackError):
    """A child process ended, or did not answer in time; the text names its log file."""
