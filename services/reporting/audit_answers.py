"""How rows of audits, and what proves a store complete, become answers in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from schemas.audits import FoundOrder
from schemas.ids import order_key
from schemas.sessions import Window
from schemas.stores import StoreRecord
from services.reporting.completeness_views import AuditDetail, AuditView, FoundView
from services.reporting.rows import AUDIT_COUNTS
from services.reporting.views import CompletenessView, HealedView, StoreView
from services.reporting.watermark import Proof, Watermark, behind, late_since, watermark
from services.reporting.wording import Texts, load_texts

Row = Mapping[str, Any]


def audit_view(row: Row, *, texts: Texts | None = None) -> AuditView:
    """Return a row of `audits`."""
    return AuditView(**_audit_fields(row, texts or load_texts()))


def audit_detail(row: Row, named: Mapping[str, Row], *, texts: Texts | None = None) -> AuditDetail:
    """Return a row of `audits` with its orders; `named` has what the report knows of them, by order key."""
    texts = texts or load_texts()
    found = tuple(_found_view(FoundOrder.model_validate(one), row, named, texts) for one in row["found"])
    return AuditDetail(**_audit_fields(row, texts), found=found)


def found_keys(row: Row) -> list[str]:
    """Return the keys of the orders that an audit found."""
    return [_key(row, found["external_id"]) for found in row["found"]] if row["platform"] else []


def completeness_view(
    proof: Proof, record: StoreRecord | StoreView, *, now: datetime, texts: Texts | None = None
) -> CompletenessView:
    """Return up to when a store is complete at `now`, and what stands in the way of more."""
    mark, healed = watermark(proof), proof.healed
    age = behind(mark, now=now)
    return CompletenessView(
        complete_from=mark.since,
        complete_through=mark.through,
        behind_seconds=age.total_seconds() if age is not None else None,
        late=late_since(record, proof, now=now) is not None,
        because=_because(mark, proof, record, texts or load_texts()),
        audit_id=mark.doubt.audit_id if mark.doubt else None,
        next_sync_at=proof.next_at,
        next_sync_because=proof.next_because,
        last_healed=HealedView(session_id=healed.session_id, at=healed.at, sentence=healed.sentence)
        if healed
        else None,
    )


def _because(mark: Watermark, proof: Proof, record: StoreRecord | StoreView, texts: Texts) -> str:
    platform = record.platform_name or record.platform
    match mark.why:
        case "doubted":
            orders = mark.doubt.orders if mark.doubt else 0
            ended = "ended" if mark.doubt and mark.doubt.ended_at else "going"
            return texts.count(f"completeness.because.doubted_{ended}", orders, platform=platform)
        case "waiting":
            return texts.count("completeness.because.waiting", proof.waiting, platform=platform)
        case _:
            return texts(f"completeness.because.{mark.why}", platform=platform)


def _audit_fields(row: Row, texts: Texts) -> dict[str, Any]:
    window = Window(start=row["window_start"], end=row["window_end"]) if row["window_start"] else None
    state = row["finished_state"] or "running"
    count = row["unsettled"] if state == "differs" else row["listed"]
    kind = "open" if row["scope"] == "open" and state in {"agreed", "explained"} else state
    return {
        **{name: row[name] for name in ("audit_id", "store_id", "platform", "scope", "by", *AUDIT_COUNTS)},
        "window": window,
        "state": state,
        "started_by": row["started_by"],
        "started_at": row["started_at"] or row["first_at"],
        "finished_at": row["finished_at"],
        "changed_at": row["changed_at"],
        "unsettled_since": row["unsettled_since"],
        "problem": row["problem"],
        "sentence": texts.count(f"audits.sentences.{kind}", count),
    }


def _found_view(found: FoundOrder, row: Row, named: Mapping[str, Row], texts: Texts) -> FoundView:
    key = _key(row, found.external_id) if row["platform"] else ""
    ours = named.get(key)
    judged: datetime | None = ours["judged_revised_at"] if ours else None
    here = judged is not None and (found.finding == "unknown" or row["by"] == "created" or judged >= found.at)
    return FoundView(
        **found.model_dump(),
        order_key=key or None,
        display_name=ours["display_name"] if ours else None,
        here=here,
        sentence=_found_sentence(found, here=here, texts=texts),
        link=f"/orders/{quote(key, safe='')}" if ours else None,
    )


def _found_sentence(found: FoundOrder, *, here: bool, texts: Texts) -> str:
    if found.explanation:
        return texts(f"audits.explanations.{found.explanation}")
    kept = "_here" if here and found.finding != "unknown" else ""
    return texts(f"audits.findings.{found.finding}{kept}")


def _key(row: Row, external_id: str) -> str:
    return order_key(row["platform"], row["store_id"], external_id)
