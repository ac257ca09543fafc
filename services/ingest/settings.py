"""What ingest reads beside the settings of the kit and of its platforms."""

from pydantic import Field

from services.kit.settings import KitSettings


class IngestSettings(KitSettings):
    """One ingest process."""

    ingest_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - platforms reach it from outside
        description="The address on which ingest listens.",
    )
    ingest_port: int = Field(default=8001, ge=0, le=65535, description="The port of ingest's HTTP server.")
    poll_seconds: float = Field(
        default=0, ge=0, description="Seconds between two polls of a store; 0: what suits each platform."
    )
    poll_stores_at_once: int = Field(default=8, ge=1, le=100, description="How many stores one process polls at once.")
    syncs_at_once: int = Field(
        default=4, ge=1, le=100, description="How many manual syncs one process runs at once, each of another store."
    )

    audits: bool = Field(
        default=True, description="Whether stores are audited on a schedule; sellers may ask for audits in any case."
    )
    audits_at_once: int = Field(default=2, ge=1, le=100, description="How many audits one process runs at once.")
    imports_at_once: int = Field(default=2, ge=1, le=20, description="How many files one process imports at once.")
    pushes_at_once: int = Field(
        default=12,
        ge=1,
        le=100,
        description="Of how many orders one process tells platforms at once that they shipped.",
    )
    looks_at_once: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Of how many stores one process looks at orders at once that are to be released.",
    )
    audit_day_seconds: float = Field(
        default=3_600, gt=0, description="Seconds between two audits of a store's last day, where call budgets allow."
    )
    audit_week_seconds: float = Field(
        default=86_400, gt=0, description="Seconds between two audits of its last seven days, likewise."
    )
    audit_open_seconds: float = Field(
        default=604_800,
        gt=0,
        description="Seconds after which a store's open orders are read again, where its platform announces changes.",
    )

    @property
    def reachable_at(self) -> str:
        """The address that platforms and sellers' browsers are told, without a slash at its end."""
        return (self.public_url or f"http://127.0.0.1:{self.ingest_port}").rstrip("/")
