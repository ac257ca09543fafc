"""What an operator can set for eligibility."""

from datetime import timedelta

from pydantic import Field

from services.kit.settings import KitSettings


class EligibilitySettings(KitSettings):
    """Eligibility's own settings beside every service's."""

    eligibility_host: str = Field(default="127.0.0.1", description="The address on which eligibility listens.")
    eligibility_port: int = Field(
        default=8002, ge=0, le=65535, description="The port of eligibility's API; 0: any free one."
    )
    personal_data_days: float = Field(
        default=30, gt=0, le=3650, description="How many days a buyer's data are kept after shipping or rejection."
    )

    @property
    def keep_for(self) -> timedelta:
        """How long personal data stay after the last thing that needs them."""
        return timedelta(days=self.personal_data_days)
