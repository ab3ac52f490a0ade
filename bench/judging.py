"""How near a verdict job comes to the limit that the model's latency sets.

Runs the product's own path: a job cut into shards, a Celery worker with several processes, LiteLLM over HTTP, verdicts
written to the database. The model is a local stub that answers after a fixed time, so the limit is known:
traces x latency / calls in flight.

    python bench/judging.py --traces 1000 --processes 4 --in-flight 64
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERDICT = '{"rationale": "It answers the question.", "result": "good"}'


sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Measure and print one line a repetition."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=64, help="over all processes")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="annotator.settings",
            ANNOTATOR_DATA=folder,
            ANNOTATOR_WORKERS=str(args.processes),
            LLM_CONCURRENCY=str(args.in_flight // args.processes),
            OPENAI_API_KEY="stub",
            LOG_LEVEL="WARNING",
        )
        measure(args)


def measure(args: argparse.Namespace) -> None:
    """Set up the world, warm the workers with a small job, then time full ones."""
    import django

    django.setup()

    from django.core.management import call_command

    from annotator.demo.http_stub import StubServer
    from annotator.models import Trace

    call_command("migrate", verbosity=0)
    with StubServer(lambda body: VERDICT) as stub:
        stub.latency_s = args.latency_ms / 1000
        version, traces = make_world(stub.base_url, args.traces)
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "annotator", "worker", "--loglevel", "WARNING"],
            start_new_session=True,
        )
        try:
            warm_up = traces[: 16 * 2 * args.processes]
            run_job(version, warm_up)
            limit = args.traces * stub.latency_s / args.in_flight
            for _ in range(args.repeat):
                seconds = run_job(version, traces)
                print(
                    f"{args.traces} verdicts, {args.latency_ms:.0f} ms, {args.in_flight} in flight over "
                    f"{args.processes} processes: {seconds:.2f} s, {args.traces / seconds:.0f}/s, "
                    f"{limit / seconds:.2f} of the limit"
                )
        finally:
            os.killpg(worker.pid, signal.SIGTERM)
            worker.wait()
    print(f"{Trace.objects.count()} traces, {stub.calls} calls answered by the stub")


def make_world(base_url: str, count: int):
    """An experiment with that many short traces, and a judge that asks the stub."""
    from annotator.models import Experiment, Team, Trace
    from annotator.services import judges
    from judges.values import ValueKind, ValueType

    team = Team.objects.create(name="Bench")
    experiment = Experiment.objects.create(team=team, name="bench")
    Trace.objects.bulk_create(
        Trace(
            experiment=experiment,
            trace_id=f"tr-{number}",
            inputs={"question": f"Where is order {number}?"},
            outputs={"answer": f"Order {number} arrives on Friday."},
        )
        for number in range(count)
    )
    judge = judges.create_judge(
        actor=None,
        experiment=experiment,
        name="quality",
        instructions="Is {{ outputs }} a good answer to {{ inputs }}?",
        value_type=ValueType(kind=ValueKind.CATEGORY, categories=("good", "poor"), ordered=True),
        model="openai:/stub",
        base_url=base_url,
    )
    return judge.current_version, list(Trace.objects.order_by("pk").values_list("pk", flat=True))


def run_job(version, traces: list[int]) -> float:
    """Seconds from the start of a job until its last verdict is written."""
    from annotator.services import jobs

    begun = time.perf_counter()
    job = jobs.start_job(actor=None, version=version, traces=traces)
    while (progress := jobs.job_progress(job)).is_live:
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    if progress.done != len(traces):
        sys.exit(
            f"The job ended {progress.status}: {progress.done} done, {progress.failed} failed, {progress.error}"
        )
    return seconds


if __name__ == "__main__":
    main()
