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

    last_look_after_seconds: float = Field(
        default=900,
        ge=0,
        description="An order that was read longer ago is looked at once more on its platform before it is released; "
        "0: never.",
    )

    @property
    def look_after(self) -> timedelta | None:
        """How old a reading may be of an order that is released; None: as old as it likes."""
        return timedelta(seconds=self.last_look_after_seconds) if self.last_look_after_seconds else None

    @property
    def keep_for(self) -> timedelta:
        """How long personal data stay after the last thing that needs them."""
        return timedelta(days=self.personal_data_days)
