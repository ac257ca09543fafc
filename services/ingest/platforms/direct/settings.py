"""What the direct connector must be told: nothing."""

from services.kit.settings import KitSettings


class DirectSettings(KitSettings):
    """No settings of its own."""
