"""How long a lead waits for the workbench, the settling screen and the label rule with 100,000 traces. Aim: below 500 ms.

    python bench/settling.py [--traces 100000]

Uses the traces, verdicts and answers of `trace_list.py` (one answer to every seventeen traces) on a temporary SQLite
database, or the empty one of DATABASE_URL. Medians of whole requests: time passed, and time of the processor in this
process, which a busy machine does not stretch.
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

    from annotator.models import Assessment
    from annotator.services.disagreements import disagreements_in
    from annotator.services.guidelines import save_guideline
    from annotator.services.labels import refresh_labels
    from bench.trace_list import fill

    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    lead, judge = fill(count)
    refresh_labels(judge=judge)
    save_guideline(actor=lead, judge=judge, text="", choose_when={"good": "It answers."})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    answers = Assessment.objects.human().count()
    rows = disagreements_in(judge, user=lead)
    print(
        f"{connection.vendor}: {count:,} traces, {answers:,} answers, {len(rows):,} disagreements, "
        f"filled in {time.perf_counter() - started:.0f} s"
    )
    client = Client(SERVER_NAME="localhost")
    client.force_login(lead)

    def ask(path: str) -> tuple[float, float, int]:
        passed, busy = [], []
        for _ in range(REPEATS):
            with CaptureQueriesContext(connection) as queries:
                started, worked = time.perf_counter(), time.process_time()
                response: Any = client.get(path, follow=True)
                passed.append((time.perf_counter() - started) * 1_000)
                busy.append((time.process_time() - worked) * 1_000)
            assert response.status_code == 200, (path, response.status_code)
        return statistics.median(passed), statistics.median(busy), len(queries)

    page = f"/judges/{judge.pk}"
    first = judge.experiment.traces.get(pk=rows[0].trace_pk).trace_id
    middle = ".".join(str(-part) for part in rows[len(rows) // 2].key)
    for name, path in {
        "workbench": f"{page}/disagreements/",
        "workbench, in the middle": f"{page}/disagreements/?after={middle}",
        "workbench, one pair": f"{page}/disagreements/?pair=good&pair=fair&pair=judge",
        "settling, list and trace": f"{page}/settle/{first}",
        "label rule with preview": f"{page}/rule/?label_rule=UNANIMOUS",
        "guideline": f"{page}/guideline/",
        "to look at again": f"{page}/rereview/",
    }.items():
        passed, busy, queries = ask(path)
        print(f"  {name:26} {passed:7.1f} ms, processor {busy:6.1f} ms ({queries} queries)")


if __name__ == "__main__":
    main()
