"""What the Shopify connector must be told: the app's credentials and, for a sandbox or proxy, another address."""

from pydantic import Field, SecretStr

from services.kit.settings import KitSettings


class ShopifySettings(KitSettings):
    """The app's settings. Without a client id only stores with their own credentials can be linked."""

    shopify_client_id: str = Field(default="", description="The Shopify app's client id (API key).")
    shopify_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The Shopify app's client secret; it signs webhooks and callbacks."
    )
    shopify_client_secret_old: SecretStr = Field(
        default=SecretStr(""),
        description="The secret before a rotation: webhooks signed with it are accepted too. Empty it after an hour.",
    )
    shopify_extra_scopes: str = Field(
        default="",
        pattern=r"^([a-z_]+(,[a-z_]+)*)?$",
        description="Further scopes to ask sellers for, with commas between them: `read_all_orders` once Shopify "
        "granted it to the app, and the `assigned` and `third_party` pairs for what other locations ship.",
    )
    shopify_api_version: str = Field(
        default="2026-10", pattern=r"^\d{4}-(01|04|07|10)$", description="The Admin API version to call."
    )
    platform_url_shopify: str = Field(
        default="",
        description="Another base URL for every Shopify shop (a sandbox, a proxy); empty: the shop's own address.",
    )

    def extra_scopes(self) -> tuple[str, ...]:
        """Return the scopes that are asked for beside those that every store needs."""
        return tuple(filter(None, self.shopify_extra_scopes.split(",")))

    def app_secrets(self) -> tuple[str, ...]:
        """Return the secrets that may have signed a message: the present one first, then the one before."""
        secrets = (self.shopify_client_secret, self.shopify_client_secret_old)
        return tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())
