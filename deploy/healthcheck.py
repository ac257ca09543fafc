"""Whether the services of this container make progress: `/livez` of each that listens, and at least one does."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus

#: The services' ports where no setting says another.
PORTS = {"INGEST_PORT": 8001, "ELIGIBILITY_PORT": 8002, "REPORTING_PORT": 8000}

_TIMEOUT_SECONDS = 5.0

#: The status of `/livez` at a port of this container, None where nothing listens.
Ask = Callable[[int], int | None]


def ask(port: int) -> int | None:
    """Ask for `/livez`; no answer in time counts as a status of its own, because something does listen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException):
        return HTTPStatus.GATEWAY_TIMEOUT
    finally:
        connection.close()


def healthy(environment: Mapping[str, str], *, ask: Ask) -> bool:
    """The image holds every service and a container runs one, or all: those that listen must be alive."""
    ports = [int(environment.get(name) or usual) for name, usual in PORTS.items()]
    answers = [status for status in map(ask, ports) if status is not None]
    return bool(answers) and all(status == HTTPStatus.OK for status in answers)


if __name__ == "__main__":
    sys.exit(0 if healthy(os.environ, ask=ask) else 1)
