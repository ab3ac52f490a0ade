"""How long a lead waits for the session builder and its preview with 100,000 traces. Aim: below 500 ms of the processor.

    python bench/session_preview.py [--traces 100000]

Uses the traces, verdicts and answers of `trace_list.py` on a temporary SQLite database, or the empty one of DATABASE_URL.
Medians of whole requests: time passed, and time of the processor in this process, which a busy machine does not stretch.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench._pages import Browser, analyze, main


def measure(count: int) -> None:
    """Fill, ask, print."""
    from django.db import connection

    from annotator.services.labels import refresh_labels
    from bench.trace_list import fill

    started = time.perf_counter()
    lead, judge = fill(count)
    judge.refresh_from_db()
    refresh_labels(judge=judge)
    analyze()
    print(f"{connection.vendor}: {count:,} traces, filled in {time.perf_counter() - started:.0f} s")
    browser = Browser(lead)
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

    for name, path, data in (
        ("builder, free", f"/sessions/new/?goal=FREE&judge={judge.pk}", None),
        ("builder, what is missing", f"/sessions/new/?goal=BALANCE&judge={judge.pk}", None),
        ("builder, disagreements", f"/sessions/new/?goal=SETTLE&judge={judge.pk}", None),
        ("preview by verdict", "/sessions/preview/", plan),
        ("preview by boundary", "/sessions/preview/", {**plan, "by": "boundary"}),
        ("mix for another goal", "/sessions/mix/", {**plan, "mix_for": "goal"}),
    ):
        cost = browser.ask(path, data)
        print(
            f"  {name:26} {cost.passed:7.1f} ms, processor {cost.busy:6.1f} ms ({cost.queries} queries)"
        )


if __name__ == "__main__":
    main(__doc__, measure)
