"""One Kafka broker as a child process: formats its storage once, starts in seconds, survives any death."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.children import Launch, end, end_orphan, remember, spawn
from deploy.local.errors import LocalStackError, StartFailedError
from deploy.local.kafka.jars import ARCHIVE_NAME, class_path
from deploy.local.kafka.readiness import serves
from deploy.local.ports import LOOPBACK, free_port

USUAL_PORT = 9092
START_TIMEOUT = 60.0  # seconds: recovery of a big log on a busy machine; a fresh start takes 2
STOP_GRACE = 15.0  # seconds
POLL_INTERVAL = 0.05  # seconds
HEAP = "512m"
#: Only the quick compiler: on two cores the optimising one costs more than it gives back within minutes (measured:
#: start 3.9 against 5.1 s of processor time, 2,000 single sends 2.8 against 5.3 s, at the same throughput).
JAVA_FLAGS = ("-XX:TieredStopAtLevel=1",)

#: What a single small node needs to differ in from Kafka's defaults.
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # After a SIGKILL the controller refuses the reborn broker until the old session has ended: 9 s by default.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    # The cleaner reserves 128 MB of heap by default, for a few small compacted topics.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class KafkaBroker:
    """A broker over one data directory; its address stays the same over `kill` and `start`."""

    def __init__(
        self, directory: Path, *, jars: Path, preferred_port: int = USUAL_PORT, java_flags: Sequence[str] = ()
    ) -> None:
        self._directory = directory.resolve()
        self._jars = jars.resolve()
        self._java_flags = java_flags
        self.port = free_port(preferred_port)
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Host and port, as clients take it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """Where the broker's own log goes."""
        return self._directory / "kafka.log"

    def start(self) -> None:
        """Launch the broker without waiting for it; formats the storage first where that was never done."""
        self._directory.mkdir(parents=True, exist_ok=True)
        end_orphan(self._pid_file)
        self._write_settings()
        if not (self._directory / "data" / "meta.properties").exists():
            self._format()
        argv = [*self._java(), *self._java_flags, f"-Xmx{HEAP}", *self._logging(), "kafka.Kafka", str(self._settings)]
        # SIGTERM also when we are killed: a clean end takes half a second and spares the next start a recovery.
        launch = Launch(argv=argv, log_path=self.log_path, cwd=self._directory, death_signal=signal.SIGTERM)
        self._process = spawn(launch)
        remember(self._process, self._pid_file)

    def wait_ready(self, *, timeout: float = START_TIMEOUT) -> None:
        """Return once the broker takes requests.

        Raises:
            StartFailedError: it ended, or did not answer within `timeout` seconds.
        """
        give_up = time.monotonic() + timeout
        while not serves(self.port):
            if self.pid is None:
                raise StartFailedError(f"Kafka ended while starting: see {self.log_path}")
            if time.monotonic() > give_up:
                raise StartFailedError(f"Kafka did not answer within {timeout:.0f} s: see {self.log_path}")
            time.sleep(POLL_INTERVAL)

    def stop(self) -> None:
        """Shut down cleanly; harmless when it does not run."""
        if self._process is not None:
            end(self._process, first=signal.SIGTERM, grace=STOP_GRACE)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Die as in a crash; `start` brings it back on the same data and the same port."""
        if self._process is not None:
            end(self._process, first=signal.SIGKILL, grace=STOP_GRACE)

    @property
    def _pid_file(self) -> Path:
        return self._directory / "kafka.pid"

    @property
    def _settings(self) -> Path:
        return self._directory / "server.properties"

    def _write_settings(self) -> None:
        listeners = f"BROKER://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{self._controller_port}"
        settings = {
            **SETTINGS,
            "listeners": listeners,
            "advertised.listeners": f"BROKER://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "log.dirs": str(self._directory / "data"),
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self) -> None:
        shutil.rmtree(self._directory / "data", ignore_errors=True)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        argv = [*self._java(), "-Xmx128m", "kafka.tools.StorageTool", "format"]
        # With "=": one random id in 64 begins with a dash, and would be read as an option.
        argv += [f"--cluster-id={cluster_id}", f"--config={self._settings}"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=START_TIMEOUT, check=False)
        if done.returncode != 0:
            self.log_path.write_text(done.stdout + done.stderr)
            raise StartFailedError(f"Kafka's storage could not be formatted: see {self.log_path}")

    def _java(self) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise LocalStackError("Java is missing, Kafka needs 17 or later: apt-get install openjdk-17-jre-headless")
        archive = self._jars / ARCHIVE_NAME
        archived = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        return [java, *JAVA_FLAGS, *archived, "-cp", class_path(self._jars)]

    def _logging(self) -> list[str]:
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [level, "-Dorg.slf4j.simpleLogger.showDateTime=true"]
