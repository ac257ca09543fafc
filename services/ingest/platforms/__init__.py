"""One folder a platform. Each exports `PLATFORM`; the registry finds it, no other file names it."""
