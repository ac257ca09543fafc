"""What the Etsy connector must be told: the app's keystring and secret and, for a sandbox or proxy, another address."""

from pydantic import Field, SecretStr

from services.kit.settings import KitSettings


class EtsySettings(KitSettings):
    """The app's settings."""

    etsy_keystring: str = Field(default="", description="The Etsy app's keystring.")
    etsy_shared_secret: SecretStr = Field(
        default=SecretStr(""), description="The Etsy app's shared secret, sent beside the keystring on every call."
    )
    etsy_webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="The signing secret (whsec_…) of the endpoint made in Etsy's webhook portal; empty: no webhooks.",
    )
    platform_url_etsy: str = Field(
        default="", description="Another base URL for Etsy (a sandbox, a proxy); empty: Etsy's own."
    )
