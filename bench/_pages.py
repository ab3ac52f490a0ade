"""What the benchmarks of pages share: a database of their own, and what a whole request costs."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

REPEATS = 5


def main(about: str | None, measure: Callable[[int], None]) -> None:
    """Read `--traces` and measure with as many, on a temporary SQLite database or the empty one of DATABASE_URL."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--traces", type=int, default=100_000)
    count = parser.parse_args().traces
    with tempfile.TemporaryDirectory() as folder:
        address = os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3"
        # The tests' settings: a page needs no collected static files, and no worker is told of anything.
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": address,
            "LOG_LEVEL": "ERROR",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        measure(count)


def analyze() -> None:
    """Let the database count what it holds, as one that has run for a while has done."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Medians in milliseconds: time passed, and time of the processor in this process, which a busy machine stretches less."""

    passed: float
    busy: float
    queries: int


class Browser:
    """Asks for pages as one person."""

    def __init__(self, user: Any, *, repeats: int = REPEATS) -> None:
        from django.test import Client

        self.client, self.repeats = Client(SERVER_NAME="localhost"), repeats
        self.client.force_login(user)

    def ask(
        self,
        path: str,
        data: dict[str, str] | None = None,
        *,
        before: Callable[[], object] = lambda: None,
    ) -> Cost:
        """What a page costs; `before` is done each time before the clock starts, and data is posted."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        passed, busy = [], []
        for _ in range(self.repeats):
            before()
            with CaptureQueriesContext(connection) as queries:
                started, worked = time.perf_counter(), time.process_time()
                response: Any = (
                    self.client.post(path, data) if data else self.client.get(path, follow=True)
                )
                passed.append((time.perf_counter() - started) * 1_000)
                busy.append((time.process_time() - worked) * 1_000)
            if response.status_code != 200:
                sys.exit(f"{path} answered {response.status_code}")
        return Cost(
            passed=statistics.median(passed), busy=statistics.median(busy), queries=len(queries)
        )
