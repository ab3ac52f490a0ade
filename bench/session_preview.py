"""How long a lead waits for the session builder and its preview with 100,000 traces. Aim: below 500 ms of the processor.

    python bench/session_preview.py [--traces 100000]

Uses the traces, verdicts and answers of `trace_list.py` on a temporary SQLite database, or the empty one of DATABASE_URL.
Medians of whole requests: time passed, and time of the processor in this process, which a busy machine does not stretch.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=100_000)
    count = parser.parse_args().traces
    with tempfile.TemporaryDirectory() as folder:
        address = os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3"
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": address,
            "LOG_LEVEL": "ERROR",
        }
        measure(count)


def measure(count: int) -> None:
    """Fill, ask, print."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from annotator.services.labels import refresh_labels
    from bench.trace_list import fill

    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    lead, judge = fill(count)
    judge.refresh_from_db()
    refresh_labels(judge=judge)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{connection.vendor}: {count:,} traces, filled in {time.perf_counter() - started:.0f} s")
    client = Client(SERVER_NAME="localhost")
    client.force_login(lead)
    plan = {
        "name": "Tuesday",
        "judges": str(judge.pk),
        "goal": "FREE",
        "total": "60",
        "random_share": "20",
        "by": "verdict",
        "step": "what",
        "seed": "1",
    }

    def ask(path: str, data: dict[str, str] | None) -> tuple[float, float, int]:
        passed, busy = [], []
        for _ in range(REPEATS):
            with CaptureQueriesContext(connection) as queries:
                started, worked = time.perf_counter(), time.process_time()
                response: Any = client.post(path, data) if data else client.get(path)
                passed.append((time.perf_counter() - started) * 1_000)
                busy.append((time.process_time() - worked) * 1_000)
            assert response.status_code == 200, (path, response.status_code)
        return statistics.median(passed), statistics.median(busy), len(queries)

    for name, path, data in (
        ("builder, free", f"/sessions/new/?goal=FREE&judge={judge.pk}", None),
        ("builder, what is missing", f"/sessions/new/?goal=BALANCE&judge={judge.pk}", None),
        ("builder, disagreements", f"/sessions/new/?goal=SETTLE&judge={judge.pk}", None),
        ("preview by verdict", "/sessions/preview/", plan),
        ("preview by boundary", "/sessions/preview/", {**plan, "by": "boundary"}),
        ("mix for another goal", "/sessions/mix/", {**plan, "mix_for": "goal"}),
    ):
        passed, busy, queries = ask(path, data)
        print(f"  {name:26} {passed:7.1f} ms, processor {busy:6.1f} ms ({queries} queries)")


if __name__ == "__main__":
    main()
