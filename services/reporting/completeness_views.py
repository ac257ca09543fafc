"""What the API answers about audits and about how complete stores are."""

from datetime import datetime

from pydantic import Field

from schemas.audits import AuditBy, AuditScope, AuditState, Explanation, Finding
from schemas.sessions import Window
from services.reporting.views import CompletenessView, View


class AuditView(View):
    """An audit: the platform's own list of a store's orders, compared with this report.

    `listed` counts what the platform lists and `held` what of that the report has; `missing`, `stale` (an earlier
    revision) and `unknown` (not in the platform's list) count the differences that were ever seen, `fetched` those that
    were read again because of it, and `unsettled` those that still differ without a reason. `window` null: it is about
    open orders, each by its id.
    """

    audit_id: str
    store_id: str
    platform: str | None
    scope: AuditScope | None
    by: AuditBy | None
    window: Window | None
    state: AuditState
    started_by: str | None
    started_at: datetime
    finished_at: datetime | None
    changed_at: datetime
    listed: int
    held: int
    missing: int
    stale: int
    unknown: int
    fetched: int
    unsettled: int
    unsettled_since: datetime | None
    problem: str | None
    sentence: str


class FoundView(View):
    """An order that differed when it was compared.

    `at` is the platform's time of it, of an unknown one the report's. `here`: the report has it by now, as the platform
    listed it. `link` is a path of the page, null while the report does not have the order.
    """

    external_id: str
    order_key: str | None
    display_name: str | None
    finding: Finding
    at: datetime
    explanation: Explanation | None
    here: bool
    sentence: str
    link: str | None


class AuditDetail(AuditView):
    """An audit with the orders that it found, at most 1,000 of them; the counts are exact."""

    found: tuple[FoundView, ...] = ()


class StoreCompleteness(View):
    """How complete a store is proven to be, with its newest audit of each scope."""

    store_id: str
    store_name: str
    platform: str
    platform_name: str | None
    completeness: CompletenessView
    audits: tuple[AuditView, ...]
    open_differences: int = Field(description="Orders that differ without a reason, of audits that nothing settled.")


class PeriodView(View):
    """A period: the moments [from, to) in UTC, and the rules by which local times became these."""

    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    zone: str
    by: AuditBy
    notes: tuple[str, ...] = ()


class PeriodCompleteness(View):
    """Our own count of a period, beside the audits whose window holds it, newest first.

    By change, an order counts in the period of its last change alone. `exact` is whether the newest of the audits is
    about this very period, so that its `listed` is the platform's count of it. Without audits, ask for one.
    """

    store_id: str
    period: PeriodView
    ours: int
    audits: tuple[AuditView, ...]
    exact: bool
    sentence: str


class AuditAsked(View):
    """An audit that was asked for; it is told of at `link` as soon as it begins."""

    audit_id: str
    store_id: str
    period: PeriodView
    link: str


class SyncAsked(View):
    """A sync that was asked for; it is told of at `link` as soon as it begins."""

    sync_id: str
    store_id: str
    period: PeriodView
    link: str
