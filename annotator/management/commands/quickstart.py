"""`make run`: everything on one machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
import urllib.request
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, transaction

from annotator.models import ActivityLog, User
from annotator.services import log, signin, workers
from annotator.supervisor import Program, Supervisor

HOST = "127.0.0.1"
THREADS = 8
# Longer than programs pause between two requests: one that meets a connection just being closed may not try again.
KEEP_ALIVE_SECONDS = 75
SEEDED = "seeded the demo"
# in a container everybody is root, and Celery's twelve lines about it hide the rest
ROOT_IS_FINE = "ignore:You're running the worker with superuser"


class Command(BaseCommand):
    """Prepares the data folder, starts web, worker and scheduler, and prints where to go."""

    help = "Start everything on this machine; Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C."""
        lock = _lock_data_folder()
        _require_free_port()
        call_command("migrate", verbosity=0)
        collect_static()
        if seed_once():
            self.stdout.write("The demo is in place.")
        link = self._link()
        workers.announce()
        connections.close_all()  # the children open their own
        supervisor = Supervisor(programs(), env=os.environ, out=sys.stdout)
        with lock:
            code = supervisor.run(is_ready=_web_answers, on_ready=lambda: self._say_where(link))
        self.stdout.write("Annotator has stopped; all data is kept.")
        sys.exit(code)

    def _link(self) -> str:
        user = User.objects.filter(username="admin", is_active=True).first()
        user = user or User.objects.filter(is_superuser=True, is_active=True).first()
        if user is None:
            return f"http://{HOST}:{settings.PORT}/"
        return f"http://{HOST}:{settings.PORT}/start/{signin.create_link(user=user)}"

    def _say_where(self, link: str) -> None:
        self.stdout.write(f"\n  Open {link}\n")
        if "/start/" in link:
            self.stdout.write(
                "  It signs you in once, from this machine. Ctrl-C stops everything.\n\n"
            )
        self.stdout.flush()


def programs() -> list[Program]:
    """What runs: the web server, one worker, the scheduler."""
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket"]
    celery = [sys.executable, "-W", ROOT_IS_FINE, "-m", "celery", "--quiet", "--skip-checks"]
    web = ["annotator.wsgi", "--bind", f"{HOST}:{settings.PORT}", "--worker-class", "gthread"]
    waits = ["--keep-alive", str(KEEP_ALIVE_SECONDS), "--graceful-timeout", "10"]
    return [
        Program(
            name="web",
            command=[*gunicorn, *web, *waits, "--threads", str(THREADS)],
        ),
        # Should this command be killed, its worker does not finish an hour's work first: the lease keeps it.
        Program(
            name="worker",
            command=[
                *celery,
                "--app",
                "annotator",
                "worker",
                "--without-gossip",
                "--without-mingle",
            ],
            orphan_signal=signal.SIGQUIT,
        ),
        Program(name="beat", command=[*celery, "--app", "annotator", "beat", "--pidfile="]),
    ]


def collect_static() -> None:
    """Collect and compress static files, unless they are the same as last time."""
    found = [
        (path, Path(storage.path(path)).stat())
        for finder in get_finders()
        for path, storage in finder.list([])
    ]
    facts = sorted((path, stat.st_size, stat.st_mtime_ns) for path, stat in found)
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    stamp = Path(settings.DATA_DIR) / "static.sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest)


def seed_once() -> bool:
    """Put the demo world in, whole or not at all; False when it was put in before, even if deleted since."""
    if ActivityLog.objects.filter(action=SEEDED).exists():
        return False
    from annotator.demo.seed import seed_demo

    with transaction.atomic():
        seed_demo()
        admin = User.objects.get(username="admin")
        log.record(actor=None, action=SEEDED, target=admin, team=None, name="demo")
    return True


def _lock_data_folder() -> IO[str]:
    """Keep a second start away from this folder for as long as the file stays open."""
    lock = (Path(settings.DATA_DIR) / "quickstart.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(
            f"Annotator is running on {settings.DATA_DIR} already; stop it first, or set ANNOTATOR_DATA to another folder.",
            returncode=2,
        ) from None
    return lock


def _require_free_port() -> None:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, settings.PORT))
        except OSError as error:
            raise CommandError(
                f"Port {settings.PORT} cannot be used ({(error.strerror or '').lower()}); choose another: PORT={settings.PORT + 1} make run",
                returncode=2,
            ) from None


def _web_answers() -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{settings.PORT}/healthz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
