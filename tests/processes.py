"""Real processes for tests: a worker on the test's database, and a whole installation as `make run` starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

from django.conf import settings
from django.db import connection
from django.test import override_settings

from annotator.celery import app
from annotator.management.commands.quickstart import programs
from annotator.services import workers

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60
# what the tests' own process was told and another one must not be
NOT_PASSED_ON = {
    "DJANGO_SETTINGS_MODULE",
    "DATABASE_URL",
    "REDIS_URL",
    "ANNOTATOR_DATA",
    "PORT",
    "SECRET_KEY",
}

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], *, within: float = PATIENCE_SECONDS) -> Found:
    """What `look` returns as soon as it is true; what it returned last when the time is up."""
    deadline = time.monotonic() + within
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


class Process:
    """A program of ours in a session of its own, with the lines it printed."""

    def __init__(self, command: list[str], env: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._queue: Queue[str] = Queue()
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        self.popen = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**inherited, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that it printed so far."""
        while True:
            try:
                self.lines.append(self._queue.get_nowait())
            except Empty:
                return "".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in its output."""
        match = eventually(lambda: re.search(pattern, self.text) or self.popen.poll() is not None)
        assert isinstance(match, re.Match), f"{pattern!r} did not come:\n{self.text}"
        return match

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it ended."""
        code = self.popen.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code

    def kill(self) -> None:
        """kill -9, with all that it started in its session."""
        if self.popen.returncode is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.wait()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as output:
            for line in output:
                self._queue.put(line)


class Site:
    """An installation in a data folder of its own, on SQLite and the embedded broker.

    Attributes:
        link: The one-time link, once `quickstart` has printed it.
    """

    link = ""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.env = {"ANNOTATOR_DATA": str(folder), "PORT": str(self.port), **env}
        self._started: list[Process] = []

    @property
    def url(self) -> str:
        """Where its web server is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Process:
        """Start everything, as `make run` does, and wait for the link."""
        process = self.manage("quickstart")
        self.link = process.wait_for(r"\n  Open (http://127\.0\.0\.1:\d+/start/\S+)\n")[1]
        return process

    def manage(self, *arguments: str) -> Process:
        """Run a management command."""
        process = Process(["manage.py", *arguments], self.env)
        self._started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code of a management command and what it printed."""
        process = self.manage(*arguments)
        return process.wait(), process.text

    def processes(self) -> list[int]:
        """All processes that belong to it, whoever started them."""
        mark = f"ANNOTATOR_DATA={self.folder}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark in environment and state != "Z":
                found.append(int(folder.name))
        return found

    def close(self) -> None:
        """Kill what is left."""
        for process in self._started:
            process.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


class WorkerProcess:
    """A real Celery worker, scheduler included, on the database of the running test."""

    def __init__(self, **env: str) -> None:
        self._env = {**_test_database(), "LEASE_SECONDS": "2", "RECONCILE_SECONDS": "1", **env}
        self.process = self._start()

    def kill(self) -> None:
        """kill -9 for the worker and its children."""
        self.process.kill()

    def stop(self) -> None:
        """Let it end by itself, as Ctrl-C does."""
        self.process.send(signal.SIGTERM)
        self.process.wait()

    def restart(self) -> None:
        """Start another in its place."""
        self.kill()
        self.process = self._start()

    def _start(self) -> Process:
        # beat goes along in the same process, and its schedule would be damaged by a kill
        schedule = Path(settings.DATA_DIR) / f"beat-{time.monotonic_ns()}"
        command = [
            "-m",
            "celery",
            "--quiet",
            "--skip-checks",
            "--app",
            "annotator",
            "worker",
            "--beat",
        ]
        process = Process([*command, "--schedule", str(schedule), "--without-mingle"], self._env)
        name = f" {process.popen.pid}"
        is_there = eventually(lambda: workers.alive().filter(name__endswith=name).exists())
        assert is_there, process.text
        return process


class WebProcess:
    """The web server as `make run` starts it, on the database of the running tests, at a port of its own."""

    def __init__(self, **env: str) -> None:
        self.port = free_port()
        self._env = {**_test_database(), "PORT": str(self.port), **env}
        self.process = self._start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9 for the server and its children."""
        self.process.kill()

    def restart(self) -> None:
        """Start another in its place, at the same port."""
        self.kill()
        self.process = self._start()

    def _start(self) -> Process:
        with override_settings(PORT=self.port):
            _, *command = next(program.command for program in programs() if program.name == "web")
        process = Process(command, self._env)
        process.wait_for("Booting worker")
        return process


@contextmanager
def worker_on_test_database(**env: str) -> Iterator[WorkerProcess]:
    """A worker, and tasks that are sent to it instead of run where they are called."""
    app.conf.task_always_eager = False
    app.control.purge()
    worker = WorkerProcess(**env)
    try:
        yield worker
    finally:
        worker.kill()
        app.conf.task_always_eager = True


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _test_database() -> dict[str, str]:
    """The environment that leads a process to this test's database and broker."""
    where = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{where['NAME']}"
    else:
        url = f"postgres://{where['USER']}:{where['PASSWORD']}@{where['HOST']}:{where['PORT']}/{where['NAME']}"
    return {
        "ANNOTATOR_DATA": str(settings.DATA_DIR),
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
    }
