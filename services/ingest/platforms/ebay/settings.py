"""What the eBay connector must be told: the app's keys, its RuName, and the token that proves our webhook address."""

import re

from pydantic import Field, SecretStr, field_validator

from services.kit.settings import KitSettings

_VERIFICATION_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,80}")


class EbaySettings(KitSettings):
    """The app's settings."""

    ebay_client_id: str = Field(default="", description="The eBay app's App ID (client id).")
    ebay_client_secret: SecretStr = Field(default=SecretStr(""), description="The eBay app's Cert ID (client secret).")
    ebay_runame: str = Field(
        default="",
        description="The app's RuName: eBay's name for our callback address, its accept URL in eBay's portal.",
    )
    ebay_verification_token: SecretStr = Field(
        default=SecretStr(""),
        description="32 to 80 letters, digits, _ or -: proves our webhook address to eBay; empty: no notifications.",
    )
    ebay_alert_email: str = Field(
        default="",
        repr=False,
        description="Where eBay writes when it cannot notify us; it wants to know before it does. Empty: it knows.",
    )
    platform_url_ebay: str = Field(
        default="", description="Another base URL for eBay (its sandbox, ours, a proxy); empty: eBay's own."
    )

    @field_validator("ebay_verification_token")
    @classmethod
    def _has_ebays_form(cls, token: SecretStr) -> SecretStr:
        if token.get_secret_value() and not _VERIFICATION_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must be 32 to 80 letters, digits, underscores or hyphens")
        return token
