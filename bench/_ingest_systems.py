"""The two servers that bench/ingest.py compares: how each is started, asked, and given many traces at once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / ".venv-clients" / "mlflow-newest" / "bin"
START_SECONDS = 120


class Answered:
    """A kept-alive connection that speaks JSON with a server."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON; anything but 2xx ends the benchmark."""
        status, content = self.send(
            method, path, b"" if body is None else json.dumps(body).encode(), **headers
        )
        assert 200 <= status < 300, (method, path, status, content[:500])
        return json.loads(content or b"{}")

    def send(self, method: str, path: str, content: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and content of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, content, {**self._headers, **named})
        answer = self._connection.getresponse()
        return answer.status, answer.read()


class System(ABC):
    """A server as a process group of its own, on a database of its own.

    Attributes:
        name: For the report.
        url: Where it listens.
        token: What it asks for, "" for nothing.
        experiment: Where the traces go.
    """

    name = ""
    token = ""

    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What starts it."""

    def start(self) -> None:
        """Start it and make the experiment."""
        log = (self.folder / f"{self.name}.log").open("wb")
        self._process = subprocess.Popen(
            self.command(),
            env=self.environ,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"{self.name} does not start: {log.name}"
            time.sleep(0.2)
        made = Answered(self.url, self.token).ask(
            "POST", "/api/2.0/mlflow/experiments/create", {"name": "bench"}
        )
        self.experiment = str(made["experiment_id"])

    def stop(self) -> None:
        """End it with all that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def megabytes(self) -> float:
        """Memory of its processes; what they share is counted once."""
        assert self._process is not None
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(folder.name)) != self._process.pid:
                    continue
                lines = (folder / "smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def _answers(self) -> bool:
        try:
            return Answered(self.url, "").send("GET", "/version", b"")[0] == 200
        except OSError:
            return False


class Ours(System):
    """The web server of `make run`: one process, eight threads. Django has to be set up on its database."""

    name = "annotator"

    def command(self) -> Sequence[str | Path]:
        from django.conf import settings
        from django.core.management import call_command

        from annotator.management.commands.quickstart import programs
        from annotator.models import Membership, Role, Scope, Team, User
        from annotator.services import tokens

        call_command("migrate", verbosity=0)
        team = Team.objects.create(name="Bench")
        user = User.objects.create_user("bench")
        Membership.objects.create(user=user, team=team, role=Role.ADMIN)
        self.token = tokens.create_token(user=user, team=team, scopes=tuple(Scope))[1]
        settings.PORT = self.port
        self.environ |= {"API_RATE_LIMIT": "1000000", "PORT": str(self.port)}
        return next(program.command for program in programs() if program.name == "web")


class Mlflow(System):
    """`mlflow server` with one worker process, and no process for jobs."""

    name = "mlflow"

    def command(self) -> Sequence[str | Path]:
        self.environ |= {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        return [
            CLIENT / "mlflow",
            *("server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", self.database),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]


def databases(kind: str, folder: Path) -> tuple[str, str]:
    """Two new, empty databases: ours and MLflow's."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/annotator.sqlite3", f"sqlite:///{folder}/mlflow.sqlite3"
    server = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432")
    names = [f"bench_{name}_{os.getpid()}" for name in ("annotator", "mlflow")]
    for name in names:
        _on_server(server, f'CREATE DATABASE "{name}"')
    ours, theirs = (f"{server}/{name}" for name in names)
    return ours, theirs.replace("postgres://", "postgresql+psycopg2://")


def drop(database: str) -> None:
    """Remove a PostgreSQL database again."""
    server, _, name = database.replace("postgresql+psycopg2://", "postgres://").rpartition("/")
    _on_server(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _on_server(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement)


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
