"""How long a lead waits for the pages of a judge with 100,000 traces. Aim: below 150 ms of the processor.

    python bench/settling.py [--traces 100000]

Uses the traces, verdicts and answers of `trace_list.py` (one answer to every seventeen traces) on a temporary SQLite
database, or the empty one of DATABASE_URL. Medians of whole requests: as pages are looked at, and of the first look after
somebody has answered, for which the figures are worked out anew.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench._pages import Browser, analyze, main


def measure(count: int) -> None:
    """Fill, ask, print."""
    from django.db import connection

    from annotator.models import Assessment
    from annotator.services.disagreements import disagreements_in
    from annotator.services.feedback import add_feedback
    from annotator.services.guidelines import save_guideline
    from annotator.services.labels import refresh_labels
    from bench.trace_list import fill

    started = time.perf_counter()
    lead, judge = fill(count)
    refresh_labels(judge=judge)
    save_guideline(actor=lead, judge=judge, text="", choose_when={"good": "It answers."})
    analyze()
    answers = Assessment.objects.human().count()
    rows = disagreements_in(judge, user=lead)
    load = ", ".join(f"{each:.0f}" for each in os.getloadavg())
    print(
        f"{connection.vendor}: {count:,} traces, {answers:,} answers, {len(rows):,} disagreements, "
        f"filled in {time.perf_counter() - started:.0f} s; load of the machine {load}",
        flush=True,
    )
    browser = Browser(lead)
    answered = iter(judge.experiment.traces.exclude(assessments__source_type="HUMAN")[:200])

    def answer() -> None:
        add_feedback(author=lead, trace=next(answered), judge=judge, value="good")

    page = f"/judges/{judge.pk}"
    first = judge.experiment.traces.get(pk=rows[0].trace_pk).trace_id
    middle = ".".join(str(-part) for part in rows[len(rows) // 2].key)
    for name, path in {
        "overview": f"{page}/",
        "versions": f"{page}/?tab=versions",
        "settings": f"{page}/settings/",
        "workbench": f"{page}/disagreements/",
        "workbench, in the middle": f"{page}/disagreements/?after={middle}",
        "workbench, one pair": f"{page}/disagreements/?pair=good&pair=fair&pair=judge",
        "settling, list and trace": f"{page}/settle/{first}",
        "label rule with preview": f"{page}/rule/?label_rule=UNANIMOUS",
        "guideline": f"{page}/guideline/",
        "to look at again": f"{page}/rereview/",
        "home": "/",
        "list of judges": "/judges/",
    }.items():
        later = browser.ask(path)
        anew = browser.ask(path, before=answer)
        print(
            f"  {name:26} {later.passed:7.1f} ms, processor {later.busy:6.1f} ms ({later.queries} queries); "
            f"after an answer {anew.passed:7.1f} ms, processor {anew.busy:6.1f} ms ({anew.queries} queries)",
            flush=True,
        )


if __name__ == "__main__":
    main(__doc__, measure)
