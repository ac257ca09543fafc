"""The checker finds what must not be."""

from tests.faults.checker import Command, judge


def _release(key: str, event_id: str | None = None, revision: int = 1) -> Command:
    return Command(event_id or f"e-{key}-{revision}", "order.released", key, revision)


def test_every_order_once_is_clean() -> None:
    verdict = judge({"a", "b"}, [_release("a"), _release("b")])

    assert verdict.clean


def test_an_order_that_never_came_is_lost() -> None:
    assert judge({"a", "b"}, [_release("a")]).lost == 1


def test_the_same_event_twice_is_a_duplicate() -> None:
    assert judge({"a"}, [_release("a"), _release("a")]).duplicated > 0


def test_a_second_release_under_another_event_is_a_duplicate() -> None:
    assert judge({"a"}, [_release("a"), _release("a", "other", 2)]).duplicated == 1


def test_an_order_that_must_not_be_made_is_a_violation() -> None:
    assert judge(set(), [_release("a")]).violations == ("a was released and must not be made",)


def test_an_older_revision_after_a_newer_one_is_a_violation() -> None:
    amended = Command("e2", "order.amended", "a", 3)
    stale = Command("e3", "order.amended", "a", 2)

    assert judge({"a"}, [_release("a"), amended, stale]).violations == ("a: revision 2 came after 3",)


def test_a_cancellation_before_its_release_is_a_violation() -> None:
    cancelled = Command("e0", "order.cancelled", "a", 1)

    assert judge({"a"}, [cancelled, _release("a", revision=2)]).violations == (
        "a: order.cancelled came before its release",
    )
