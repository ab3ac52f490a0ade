"""How long the server takes for one page of a list of 100,000 traces, filter by filter. Aim: below 100 ms each.

    python bench/trace_list.py [--traces 100000]

A temporary SQLite database is filled and removed again; with DATABASE_URL set, that database is used instead, and it
must be empty. Times are medians of whole requests, from the middleware to the rendered HTML.
"""

import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench._pages import Browser, analyze, main

REPEATS = 7
CHUNK = 2_000
VALUES = ("excellent", "good", "fair", "poor")
WORDS = [
    "order",
    "parcel",
    "refund",
    "delivery",
    "return",
    "jacket",
    "shoes",
    "size",
    "colour",
    "blue",
    "invoice",
    "address",
    "courier",
    "delayed",
    "missing",
    "damaged",
    "exchange",
    "voucher",
    "account",
    "password",
    "payment",
    "card",
    "support",
    "thanks",
    "please",
    "help",
    "today",
    "tomorrow",
    "week",
]


def fill(count: int) -> tuple[Any, Any]:
    """A team with one experiment of `count` traces, a judge with verdicts on nearly all, feedback on one in twenty."""
    from django.utils import timezone

    from annotator.models import (
        Assessment,
        Experiment,
        Judge,
        JudgeVersion,
        Label,
        Membership,
        Team,
        Trace,
        User,
    )
    from annotator.services.trace_text import previews_and_text
    from judges.values import ValueKind, ValueType

    chance = random.Random(0)
    team = Team.objects.create(name="Shop")
    lead = User.objects.create_user("lead")
    Membership.objects.create(user=lead, team=team, role="LEAD")
    experiment = Experiment.objects.create(team=team, name="support")
    judge = Judge.objects.create(experiment=experiment, name="product_quality")
    value_type = ValueType(kind=ValueKind.CATEGORY, categories=VALUES, ordered=True)
    judge.current_version = JudgeVersion.objects.create(
        judge=judge,
        number=1,
        instructions="{{ outputs }}",
        value_type_data=value_type.to_dict(),
        model="demo:/x",
    )
    judge.save()
    now = timezone.now()
    for start in range(0, count, CHUNK):
        traces = []
        for number in range(start, min(start + CHUNK, count)):
            question = " ".join(chance.choices(WORDS, k=25))
            answer = " ".join(chance.choices(WORDS, k=110))
            inputs, outputs = {"question": question + f" n{number}"}, {"answer": answer}
            request, response, text = previews_and_text(inputs, outputs)
            traces.append(
                Trace(
                    experiment=experiment, trace_id=f"tr-{number:08}", inputs=inputs, outputs=outputs,
                    request_preview=request, response_preview=response, search_text=text,
                    requested_at=now - timedelta(seconds=30 * chance.randrange(count)),
                )
            )  # fmt: skip
        Trace.objects.bulk_create(traces)
        rows, labels = [], []
        for trace in traces:
            verdict = chance.choices(VALUES, weights=(40, 40, 19, 1))[0]
            if chance.random() < 0.98:
                rows.append(
                    Assessment(
                        trace=trace, name=judge.name, source_type="LLM_JUDGE", source_id="demo:/x", value=verdict,
                        value_key=verdict, judge_version=judge.current_version, rationale=trace.response_preview,
                    )
                )  # fmt: skip
            for person in ("expert1", "expert2", "lead"):
                if chance.random() < 0.02:
                    value = verdict if chance.random() < 0.8 else chance.choice(VALUES)
                    rows.append(
                        Assessment(
                            trace=trace, name=judge.name, source_type="HUMAN", source_id=person, value=value,
                            value_key=value, author=lead if person == "lead" else None,
                        )
                    )  # fmt: skip
                    if person == "lead":
                        labels.append(
                            Label(
                                trace=trace,
                                judge=judge,
                                value=value,
                                value_key=value,
                                rule="MAJORITY",
                            )
                        )
        Assessment.objects.bulk_create(rows)
        Label.objects.bulk_create(labels)
    return lead, judge


def filters(judge: Any) -> dict[str, str]:
    """The query string of every single filter, common and rare."""
    pk = judge.pk
    return {
        "no filter": "",
        "experiment": f"experiment={judge.experiment_id}",
        "verdict, 40 %": f"verdict={pk}:excellent",
        "verdict, 1 %": f"verdict={pk}:poor",
        "verdict, any": f"verdict={pk}:~any",
        "verdict, none": f"verdict={pk}:~none",
        "verdict and label": f"verdict={pk}:good&label={pk}:poor",
        "feedback, mine": "feedback=mine",
        "feedback, anybody's": "feedback=any",
        "feedback, none": "feedback=none",
        "disagreement": "feedback=disagreement",
        "time, last 7 days": "time=7d",
        "time, until 20 days ago": "until=2020-01-01",
        "text, rare word": "q=n4711",
        "text, two words": "q=refund+voucher",
        "text, in every trace": "q=order",
        "text, nowhere": "q=xylophone",
    }


def measure(count: int) -> None:
    """Fill, ask, print."""
    from django.db import connection

    started = time.perf_counter()
    lead, judge = fill(count)
    print(f"{connection.vendor}: {count:,} traces filled in {time.perf_counter() - started:.0f} s")
    analyze()
    browser = Browser(lead, repeats=REPEATS)
    slowest = 0.0
    print(f"  {'':26} {'page':>10}   {'count, asked for afterwards':>10}")
    for name, query in filters(judge).items():
        page = browser.ask(f"/traces/?{query}")
        counted = browser.ask(f"/traces/count?{query}")
        slowest = max(slowest, page.passed)
        print(
            f"  {name:26} {page.passed:7.1f} ms ({page.queries} queries) {counted.passed:7.1f} ms"
        )
    print(f"  slowest page: {slowest:.0f} ms (aim: below 100 ms)")


if __name__ == "__main__":
    main(__doc__, measure)
