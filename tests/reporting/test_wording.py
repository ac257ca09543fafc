"""Every word of a closed set has a text, and no template says anything that has none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from schemas.decisions import Cause, Outcome
from schemas.order import ItemKind, PaymentState, Way
from schemas.reasons import Actor, Fact, Reason, ReasonCode
from schemas.sessions import OrderResult, SessionState
from schemas.stores import Capability, StoreState
from schemas.tracking import PushState
from services.reporting.changes import OrderState
from services.reporting.deadlines import Deadline
from services.reporting.timeline import EntryKind
from services.reporting.views import AlertCode, Severity
from services.reporting.wording import (
    capability_sentence,
    capability_title,
    entry_sentence,
    load_texts,
    reason_sentence,
    reason_title,
)

TEMPLATES = Path(__file__).parents[2] / "services" / "reporting" / "dashboard" / "templates"

#: What probes name beside plugins; a new name stands for itself.
KNOWN_CAPABILITIES = ("addresses", "tracking", "webhooks", "history", "changes", "edits", "emails")

CLOSED_SETS: dict[str, Iterable[str]] = {
    "causes": get_args(Cause),
    "entries.decided": get_args(Outcome),
    "ways": get_args(Way),
    "ways_in_words": get_args(Way),
    "states.order": get_args(OrderState),
    "states.tracking": get_args(PushState),
    "states.deadline": get_args(Deadline),
    "states.session": get_args(SessionState),
    "states.store": get_args(StoreState),
    "results": get_args(OrderResult),
    "payments": get_args(PaymentState),
    "kinds": [kind for kind in get_args(ItemKind) if kind != "physical"],
    "actors": get_args(Actor),
    "recheck": get_args(Fact),
    "reasons.titles": list(ReasonCode),
    "alerts.severity": get_args(Severity),
    "alerts.waits_on": get_args(Actor),
    "capabilities.titles": KNOWN_CAPABILITIES,
}
_NOT_TEXT = re.compile(r"""\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>|[\w-]+="[^"]*"|&\w+;""", re.DOTALL)


@pytest.mark.parametrize("family", CLOSED_SETS)
def test_every_word_of_a_closed_set_has_a_text(family: str) -> None:
    texts = load_texts()

    assert [word for word in CLOSED_SETS[family] if f"{family}.{word}" not in texts] == []


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_a_template_has_no_text_of_its_own(template: Path) -> None:
    bare = _NOT_TEXT.sub(" ", template.read_text(encoding="utf-8"))

    assert re.findall(r"[^\W\d_]{2,}", bare) == []


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_every_text_that_a_template_names_is_there(template: Path) -> None:
    content = template.read_text(encoding="utf-8")
    named = set(re.findall(r"""\bt\(["']([\w.]+)["'](?!\s*~)""", content))
    named |= {f"{key}.other" for key in re.findall(r"""t\.count\(["']([\w.]+)["']""", content)}

    assert {key for key in named if key not in load_texts()} == set()


@pytest.mark.parametrize("kind", get_args(EntryKind))
def test_every_entry_has_a_sentence(kind: EntryKind) -> None:
    data = {"way": "poll", "cause": "match", "outcome": "held", "carrier": "USPS", "tracking_number": "94"}
    data |= {"problem": "Too small.", "reason": "Asked."}

    sentence = entry_sentence(kind, data)

    assert sentence.endswith(".")
    assert "{" not in sentence


@pytest.mark.parametrize("code", get_args(AlertCode))
def test_every_alert_has_a_title_and_says_what_to_do(code: AlertCode) -> None:
    texts = load_texts()

    titles = [key for key in (code, f"{code}.one", f"{code}.other") if f"alerts.titles.{key}" in texts]

    assert titles in ([code], [f"{code}.one", f"{code}.other"])
    assert code == "ORDERS_WAIT" or f"alerts.remedies.{code}" in texts


@pytest.mark.parametrize("allowed", [True, False, None])
@pytest.mark.parametrize("name", [*KNOWN_CAPABILITIES, "plugin:product-addons", "something-new"])
def test_every_capability_says_what_it_means(name: str, *, allowed: bool | None) -> None:
    sentence = capability_sentence(Capability(name=name, allowed=allowed))

    assert sentence.endswith(".")
    assert capability_title(name)


def test_a_probes_own_sentence_is_what_the_seller_reads() -> None:
    assert capability_sentence(Capability(name="tracking", allowed=False, detail="Grant it.")) == "Grant it."
    assert capability_title("plugin:product-addons") == "Plugin product-addons"


def test_a_reason_says_its_evidence() -> None:
    reason = Reason(code=ReasonCode.PRODUCTION_NOT_PAID, evidence={"cost": "8.99 USD", "balance": "0.00 USD"})

    assert "8.99 USD" in reason_sentence(reason)
    assert reason_title(reason.code) == "Balance does not cover production"


def test_an_order_that_the_platform_lost_says_so() -> None:
    reasons = [Reason(code=ReasonCode.DELETED_ON_PLATFORM).model_dump(mode="json")]
    data = {"cause": "revision", "outcome": "rejected", "reasons": reasons}

    assert entry_sentence("decided", data) == (
        "Checked because the platform no longer has the order: it will not be made."
    )
