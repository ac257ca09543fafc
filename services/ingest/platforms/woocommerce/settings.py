"""What the WooCommerce connector must be told: nothing; every store is a server of its own and names itself."""

from services.kit.settings import KitSettings


class WooCommerceSettings(KitSettings):
    """The settings that every service reads, and none beside them."""
