"""Traces in and out, side by side with `mlflow server`: rate, latency and memory, on SQLite and on PostgreSQL.

    make clients                                   # once: MLflow, in an environment of its own
    python bench/ingest.py [--quick] [--databases sqlite,postgresql] [--stored 1000,100000] [--seconds 8] [--rounds 3]

Both servers run at once with one process each, on databases of their own that are removed again; they are asked in
turns, so that whatever else the machine does slows both. Everything stays on loopback. A million traces stored take
minutes to fill in: `--databases postgresql --stored 1000,100000,1000000`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _ingest_fill import Filled
from _ingest_systems import CLIENT, ROOT, Answered, Mlflow, Ours, System, databases, drop, say

SENDERS = 8
SPANS = 10
ASKED = 100  # requests of each kind, to each server, in blocks of ASKED_AT_ONCE
ASKED_AT_ONCE = 20


class Samples:
    """Seconds that requests took, by what was asked and of whom."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], list[float]] = {}

    def add(self, what: str, system: System, seconds: list[float]) -> None:
        """Add some."""
        self._taken.setdefault((what, system.name), []).extend(seconds)

    def row(self, what: str) -> str:
        """p50 and p99 of both in milliseconds, and ours as a share of MLflow's."""
        cells = []
        for quantile in (50, 99):
            ours, theirs = (
                1000 * _quantile(self._taken[what, name], quantile)
                for name in ("annotator", "mlflow")
            )
            cells.append(f"p{quantile} {ours:8.1f} : {theirs:8.1f} ms = {ours / theirs:5.2f}")
        return f"  {what:34} {'   '.join(cells)}"


def _quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def otlp_body() -> bytes:
    """An OTLP request with one trace of ten spans; its ids are replaced before it is sent."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(SPANS):
        span = scope.spans.add(
            trace_id=b"T" * 16,
            span_id=b"SPAN_ID" + bytes([65 + number]),
            parent_span_id=b"" if number == 0 else b"SPAN_IDA",
            name="answer" if number == 0 else f"step_{number}",
            kind=1,
            start_time_unix_nano=1_795_500_000_000_000_000 + number,
            end_time_unix_nano=1_795_500_001_000_000_000,
        )
        for key, text in {
            "mlflow.spanType": "AGENT" if number == 0 else "TOOL",
            "mlflow.spanInputs": json.dumps({"article": number, "text": "Two days. " * 16}),
            "mlflow.spanOutputs": json.dumps({"answer": "It arrives on Friday.", "score": 0.5}),
        }.items():
            span.attributes.add(key=key).value.string_value = text
    return request.SerializeToString()


def send_raw(system: System, seconds: float) -> tuple[float, list[float]]:
    """Traces a second that eight senders get rid of, and how long each request took."""
    body = otlp_body()
    stop = time.perf_counter() + seconds
    taken: list[float] = []

    def send() -> None:
        server = Answered(system.url, system.token)
        while (started := time.perf_counter()) < stop:
            status, content = server.send(
                "POST",
                "/v1/traces",
                body.replace(b"T" * 16, os.urandom(16)),
                Content_Type="application/x-protobuf",
                X_MLflow_Experiment_Id=system.experiment,
            )
            assert status == 200, (status, content[:500])
            taken.append(time.perf_counter() - started)

    began = time.perf_counter()
    _in_threads(send)
    return len(taken) / (time.perf_counter() - began), taken


def _in_threads(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send_by_client(system: System, traces: int) -> tuple[float, list[float]]:
    """Traces a second from MLflow's own client, and how long each of its requests took."""
    done = subprocess.run(
        [CLIENT / "python", ROOT / "bench" / "_ingest_client.py", system.url, system.experiment, str(traces)],
        env={**system.environ, "MLFLOW_TRACKING_TOKEN": system.token, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout)
    return traces / figures["sent"], figures["requests"]


def measure_ingest(systems: list[System], rounds: int, seconds: float, traces: int) -> None:
    """Both ways of sending, in turns."""
    samples = Samples()
    for what, send in {
        f"raw OTLP, {SENDERS} senders": lambda system: send_raw(system, seconds),
        "official client, 8 threads": lambda system: send_by_client(system, traces),
    }.items():
        rates: dict[str, list[float]] = {system.name: [] for system in systems}
        for _ in range(rounds):
            for system in systems:
                rate, taken = send(system)
                rates[system.name].append(rate)
                samples.add(what, system, taken)
        ours, theirs = (statistics.median(rates[system.name]) for system in systems)
        say(
            f"  {what:34} {ours:8.0f} : {theirs:8.0f} traces/s = {ours / theirs:5.1f} times   load {os.getloadavg()[0]:.1f}"
        )
        say(samples.row(what))


def measure_reading(systems: list[System], filled: dict[str, Filled]) -> None:
    """Searches and single traces, in turns."""
    samples = Samples()
    searches = {
        "search, 100 newest": "",
        "search, by tag (1 %)": "tags.tier = 'gold'",
        "search, by feedback value (2 %)": "feedback.quality = 'poor'",
    }

    def asked(server: Answered, system: System, what: str, number: int) -> None:
        if what in searches:
            experiment = {"experiment_id": system.experiment}
            location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": experiment}
            query = {"locations": [location], "max_results": 100, "filter": searches[what]}
            found = server.ask("POST", "/api/3.0/mlflow/traces/search", query)
            assert found["traces"], (system.name, what)
        else:
            ids = filled[system.name].ids()
            trace_id = ids[number % len(ids)]
            server.ask("GET", f"/api/3.0/mlflow/traces/get?trace_id={trace_id}&allow_partial=False")

    for what in [*searches, "get_trace"]:
        for block in range(ASKED // ASKED_AT_ONCE):
            for system in systems:
                taken = []
                # a new connection for each block: servers close those that nobody uses
                server = Answered(system.url, system.token)
                asked(server, system, what, 0)
                for number in range(ASKED_AT_ONCE):
                    started = time.perf_counter()
                    asked(server, system, what, block * ASKED_AT_ONCE + number)
                    taken.append(time.perf_counter() - started)
                samples.add(what, system, taken)
        say(samples.row(what))


def compare(kind: str, options: argparse.Namespace) -> None:
    """One database: start both servers, measure, remove everything."""
    with tempfile.TemporaryDirectory(prefix="annotator-bench-") as name:
        folder = Path(name)
        ours, theirs = databases(kind, folder)
        os.environ |= {
            "ANNOTATOR_DATA": str(folder / "data"),
            "DATABASE_URL": ours,
            "REDIS_URL": "",
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "annotator.settings",
        }
        import django

        django.setup()
        systems = [Ours(ours, folder), Mlflow(theirs, folder)]
        try:
            for system in systems:
                system.start()
            say(f"\n{kind}: annotator : mlflow = ratio")
            filled = {system.name: Filled(system) for system in systems}
            for count in options.stored:
                took = [
                    f"{system.name} {filled[system.name].fill(count):.0f} s" for system in systems
                ]
                say(
                    f" {count:,} traces stored (filled in: {', '.join(took)}; load {os.getloadavg()[0]:.1f})"
                )
                measure_reading(systems, filled)
            measure_ingest(systems, options.rounds, options.seconds, options.traces)
            memory = [f"{system.name} {system.megabytes():.0f} MB" for system in systems]
            say(f"  memory afterwards: {', '.join(memory)}")
        finally:
            for system in systems:
                system.stop()
            if kind != "sqlite":
                from django.db import connections

                connections.close_all()
                drop(ours)
                drop(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it runs")
    parser.add_argument(
        "--databases", default="sqlite,postgresql", type=lambda text: text.split(",")
    )
    parser.add_argument(
        "--stored",
        default=[1_000, 100_000],
        type=lambda text: sorted(int(part) for part in text.split(",")),
    )
    parser.add_argument("--seconds", type=float, default=8, help="of each round of raw OTLP")
    parser.add_argument("--traces", type=int, default=400, help="of each round of the client")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.stored, options.seconds, options.traces, options.rounds = [1_000], 2, 50, 1
    if not (CLIENT / "mlflow").exists():
        sys.exit("MLflow is not installed beside us: make clients")
    for kind in options.databases:
        # a process for each database: Django is set up once for one
        child = os.fork()
        if child == 0:
            compare(kind, options)
            return
        if os.waitpid(child, 0)[1]:
            sys.exit(1)


if __name__ == "__main__":
    main()
