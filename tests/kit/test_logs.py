from __future__ import annotations

import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from services.kit import trace
from services.kit.logs import HIDDEN, configure_logging, redact


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "value",
    [
        "ada@example.com",
        "call +1 (212) 555-0100 now",
        "(212) 555-0100",
        "212-555-0100",
        "shpat_0123456789abcdef",
        "osk_live_abcdefgh_0123456789",
        "Authorization: Bearer abc.def.ghi",
        "postgresql://ada:hunter2@localhost/db",
    ],
)
def test_a_value_that_looks_private_is_hidden_wherever_it_stands(value: str) -> None:
    event = redact(None, "info", {"event": "x", "deep": [{"er": f"before {value} after"}]})

    text = orjson.dumps(event).decode()
    assert HIDDEN in text
    for part in ("example.com", "555-0100", "shpat_", "osk_live", "abc.def", "hunter2"):
        assert part not in text


@pytest.mark.parametrize("name", ["access_token", "buyer_email", "X-Hmac-Signature", "password", "api_key", "Cookie"])
def test_a_field_with_a_private_name_is_hidden(name: str) -> None:
    assert redact(None, "info", {name: "something"}) == {name: HIDDEN}


@pytest.mark.parametrize(
    "value", ["shopify:store-1:450789469", "2026-07-01T12:00:00.123456Z", "orders.raw", "127.0.0.1:9092"]
)
def test_ids_and_times_stay_readable(value: str) -> None:
    assert redact(None, "info", {"value": value}) == {"value": value}


def test_events_are_json_lines_with_their_service(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="ingest", level="INFO")

    structlog.get_logger().info("poll.finished", store_id="store-1", found=3)
    structlog.get_logger().debug("poll.unseen")

    [line] = capsys.readouterr().err.splitlines()
    event = orjson.loads(line)
    assert (event["event"], event["service"], event["found"]) == ("poll.finished", "ingest", 3)


def test_a_traceback_holds_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="ingest", level="INFO")

    def fail(private: str) -> None:
        raise ValueError(f"bad {len(private)} ada@example.com")

    try:
        fail("1 Main Street")
    except ValueError as error:
        structlog.get_logger().error("poll.failed", exc_info=error)

    text = capsys.readouterr().err
    assert "ValueError" in text
    assert "Main Street" not in text
    assert "ada@example.com" not in text


def test_a_library_that_repeats_itself_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="ingest", level="INFO")

    for node in range(50):
        logging.getLogger("aiokafka.conn").error("Unable connect to node with id %s", node)
    logging.getLogger("aiokafka.conn").error("Something else")

    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_standard_library_logs_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="ingest", level="INFO")

    logging.getLogger("aiokafka").warning("lost %s for ada@example.com", "broker")

    [line] = capsys.readouterr().err.splitlines()
    event = orjson.loads(line)
    assert event["logger"] == "aiokafka"
    assert event["event"] == f"lost broker for {HIDDEN}"
    assert event["level"] == "warning"


def test_what_is_logged_within_a_trace_tells_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", level="INFO")

    with trace.bound(trace.begin()) as span:
        structlog.get_logger().info("ours.told")
        logging.getLogger("library").warning("theirs")
    structlog.get_logger().info("later.told")

    told = [orjson.loads(line).get("trace_id") for line in capsys.readouterr().err.splitlines()]
    assert told == [span.trace_id, span.trace_id, None]
