"""Every reason speaks plainly and names who must act."""

import pytest

from schemas.reasons import REASONS, Reason, ReasonCode


def test_every_code_has_its_text() -> None:
    assert set(REASONS) == set(ReasonCode)


@pytest.mark.parametrize("code", list(ReasonCode))
def test_a_sentence_can_be_said_without_evidence(code: ReasonCode) -> None:
    sentence = Reason(code=code).sentence()

    assert sentence.endswith(".")
    assert "{" not in sentence


def test_evidence_fills_the_sentence() -> None:
    reason = Reason(code=ReasonCode.ITEM_NOT_MATCHED, item_id="1", evidence={"sku": "LEGACY-001"})

    assert "LEGACY-001" in reason.sentence()
