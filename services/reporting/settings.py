"""What an operator can set for reporting."""

from pydantic import Field

from services.kit.settings import KitSettings


class ReportingSettings(KitSettings):
    """Reporting's own settings beside every service's."""

    reporting_host: str = Field(default="127.0.0.1", description="The address on which reporting listens.")
    reporting_port: int = Field(
        default=8000, ge=0, le=65535, description="The port of the report's API and page; 0: any free one."
    )
    reporting_connect_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Where a seller connects a store again, with {store_id} in it; empty: the page says it in words.",
    )
    reporting_login_hours: float = Field(
        default=12, gt=0, le=720, description="How many hours a login to the page lasts."
    )
    reporting_ingest_url: str = Field(
        default="http://127.0.0.1:8001",
        pattern=r"^https?://\S+$",
        description="Where the page reaches ingest's API, for orders by hand and files.",
    )
    reporting_eligibility_url: str = Field(
        default="http://127.0.0.1:8002",
        pattern=r"^https?://\S+$",
        description="Where the page reaches eligibility's API, for products and addresses.",
    )
