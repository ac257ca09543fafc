"""What the ShopBase connector must be told: the public app's credentials and, for a sandbox, another address."""

from pydantic import Field, SecretStr

from services.kit.settings import KitSettings


class ShopbaseSettings(KitSettings):
    """The app's settings. Without a client id only stores with a private app can be linked."""

    shopbase_client_id: str = Field(default="", description="The ShopBase public app's API key.")
    shopbase_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The ShopBase public app's secret; it signs webhooks and callbacks."
    )
    platform_url_shopbase: str = Field(
        default="",
        description="Another base URL for every ShopBase shop (a sandbox, a proxy); empty: the shop's own address.",
    )

    def app_secret(self) -> str:
        """Return the secret that the public app's messages are signed with; "" without a public app."""
        return self.shopbase_client_secret.get_secret_value()
