"""Annotator's optimizers beside MLflow's, on five made tasks with hidden rubrics, through the same model.

The model is the offline demo model behind an OpenAI-compatible stub: **no language model**. The figures say how the
optimizers behave on clean and on dirty labels, and what they cost, not how real models do; `--base-url` and `--model`
run the same benchmark with a real one (set OPENAI_API_KEY), calls and tokens counted by a proxy in between.

    python bench/alignment.py --mlflow-python /path/to/venv/bin/python --out results.jsonl
    python bench/alignment.py --report results.jsonl

Every cell (task, condition, optimizer, seed) is written to the file as it ends; a second start goes on where the first
one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[0] = str(
    HERE.parent
)  # instead of this folder, where this file would hide the package `alignment`
sys.path.append(str(HERE))

from made_tasks.counting_proxy import CountingProxy
from made_tasks.report import report
from made_tasks.tasks import CONDITIONS, TASKS, Task, label, make_cases

TRAIN, TEST, SEEDS = 50, 200, 5
OURS = ("simba", "gepa", "memory", "best_of", "best_of_sampled")  # the last one without `steady`
IN_FLIGHT = {"ours": 32, "mlflow": 8}  # by default: LLM_CONCURRENCY, and DSPy's threads
MLFLOW = (
    "SIMBA",
    "GEPA",
    "MemAlign",
    "MemAlign at 0",
)  # the last one at a temperature that no default sets
FIRST_TEST_CASE = 100_000


def main() -> None:
    """Run what is missing in the file, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("alignment-results.jsonl"))
    parser.add_argument("--report", type=Path, help="only print the tables of this file")
    parser.add_argument("--mlflow-python", help="an interpreter with mlflow, dspy and litellm")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS])
    parser.add_argument("--conditions", nargs="*", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--optimizers", nargs="*", help="names as in the tables; default: all")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of the stub, while aligning")
    parser.add_argument(
        "--in-flight", type=int, default=IN_FLIGHT["ours"], help="calls of ours at a time"
    )
    parser.add_argument(
        "--model", default="openai:/stub", help="judge and optimizer; with --base-url a real one"
    )
    parser.add_argument("--embedding-model", help="for MemAlign; default: MLflow's own")
    parser.add_argument(
        "--base-url", help="of a real OpenAI-compatible server, instead of the stub"
    )
    args = parser.parse_args()
    if args.report:
        print(report(read(args.report)))
        return
    model = Model(args)
    with model:
        for side, python, optimizers in (
            ("ours", sys.executable, OURS),
            ("mlflow", args.mlflow_python, MLFLOW),
        ):
            wanted = [
                name
                for name in ("none", *optimizers)
                if not args.optimizers or name in args.optimizers
            ]
            if python:
                run_side(side, python, wanted, args, model)
    print(report(read(args.out)))


def run_side(
    side: str, python: str, optimizers: list[str], args: argparse.Namespace, model: Model
) -> None:
    """All cells of one side that the file does not have yet."""
    done = {key_of(row) for row in read(args.out)} if args.out.exists() else set()
    with Worker(python, side, model) as worker, args.out.open("a") as out:
        warm_up(worker, model, args)
        for cell in cells(side, optimizers, args):
            if key_of(cell) in done:
                continue
            row = cell | run_cell(cell, worker, model, args)
            print(json.dumps(row), file=out, flush=True)
            print(f"{side} {row['task']} {row['condition']} {row['optimizer']} {row['seed']}: {row['right']}/{TEST}, "
                  f"{row['calls']} calls, {row['seconds']:.1f} s", flush=True)  # fmt: skip


def cells(side: str, optimizers: list[str], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seeds outermost, so that a run that is cut short has whole tables of fewer seeds."""
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for condition in args.conditions:
            for task in args.tasks:
                for optimizer in optimizers:
                    if optimizer == "none" and condition != CONDITIONS[0]:
                        continue  # without alignment the labels do not matter
                    yield {
                        "side": side, "task": task, "condition": condition, "optimizer": optimizer, "seed": seed,
                        "latency_ms": args.latency_ms,
                        "in_flight": args.in_flight if side == "ours" else IN_FLIGHT[side],
                        "model": args.model if args.base_url else "",
                    }  # fmt: skip


def warm_up(worker: Worker, model: Model, args: argparse.Namespace) -> None:
    """One verdict, so that the first cell's time is not that of importing the libraries."""
    task = TASKS[0]
    _, test = data_for(task, CONDITIONS[0], seed=0)
    worker.ask(job_of(task, "none", [], model, args))
    worker.ask({"do": "judge", "test": [test[0].to_dict()]})


def job_of(
    task: Task, optimizer: str, train: list[Any], model: Model, args: argparse.Namespace
) -> dict[str, Any]:
    """What a side is told to align."""
    return {
        "do": "align", "task": task.name, "instructions": task.instructions, "value_type": task.kind,
        "optimizer": optimizer, "model": args.model, "optimizer_model": args.model,
        "base_url": model.base_url, "in_flight": args.in_flight, "train": [case.to_dict() for case in train],
    }  # fmt: skip


def run_cell(
    cell: dict[str, Any], worker: Worker, model: Model, args: argparse.Namespace
) -> dict[str, Any]:
    """Align on the train cases, then judge the test cases; what it took, and what was right."""
    task = next(task for task in TASKS if task.name == cell["task"])
    train, test = data_for(task, cell["condition"], seed=cell["seed"])
    model.start_counting(latency_s=args.latency_ms / 1000)
    aligned = worker.ask(job_of(task, cell["optimizer"], train, model, args))
    spent = model.counted()
    model.start_counting(latency_s=0.0)
    blind = [case.to_dict() | {"assessments": []} for case in test]
    judged = worker.ask({"do": "judge", "test": blind})
    served = model.counted()
    verdicts = judged.get("verdicts", [None] * TEST)
    pairs = Counter(
        (json.dumps(case.truth), json.dumps(verdict))
        for case, verdict in zip(test, verdicts, strict=True)
    )
    return {
        "calls": spent["calls"], "tokens": spent["tokens"], "embeddings": spent["embeddings"],
        "seconds": aligned["seconds"], "error": aligned.get("error", ""),
        "serving_calls": served["calls"] / TEST, "serving_embeddings": served["embeddings"] / TEST,
        "serving_tokens": served["tokens"] / TEST,
        "right": sum(count for (truth, verdict), count in pairs.items() if truth == verdict),
        "pairs": [[truth, verdict, count] for (truth, verdict), count in sorted(pairs.items())],
    }  # fmt: skip


def data_for(task: Task, condition: str, *, seed: int) -> tuple[list[Any], list[Any]]:
    """The labelled train cases and the test cases, which are the same for every condition."""
    positives = 0.9 if condition == "imbalanced" else None
    train = make_cases(task, TRAIN, seed=seed, start=0, positives=positives)
    label(task, train, condition, seed=seed)
    return train, make_cases(task, TEST, seed=seed, start=FIRST_TEST_CASE)


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a cell."""
    return tuple(
        row[name]
        for name in (
            "side",
            "task",
            "condition",
            "optimizer",
            "seed",
            "latency_ms",
            "in_flight",
            "model",
        )
    )


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a result file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


class Model:
    """The model that both sides ask: the stub with the demo model, or a real server behind a proxy that counts.

    Like a real model the stub samples at a temperature of 1 where none is asked for: equal requests get different
    answers, the n-th one the same in every run.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        from annotator.demo.http_stub import StubServer

        self._stub = StubServer(self._respond)
        self._proxy = CountingProxy(args.base_url) if args.base_url else None
        self._server: StubServer | CountingProxy = self._proxy or self._stub
        self._lock = threading.Lock()
        self.embedding_model = args.embedding_model
        self._seen: Counter[str] = Counter()
        self._tokens = 0

    def __enter__(self) -> Model:
        self._server.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.__exit__(None, None, None)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return self._server.base_url

    def start_counting(self, *, latency_s: float) -> None:
        """Forget what was asked so far."""
        with self._lock:
            self._server.reset()
            self._stub.latency_s = latency_s
            self._seen.clear()
            self._tokens = 0

    def counted(self) -> dict[str, int]:
        """Chat calls, their tokens in both directions and embedding requests since then.

        The stub's tokens are a quarter of the characters.
        """
        with self._lock:
            return {
                "calls": self._server.calls,
                "tokens": self._proxy.tokens if self._proxy else self._tokens,
                "embeddings": self._server.embeddings,
            }

    def _respond(self, body: dict[str, Any]) -> str:
        from annotator.demo.model import respond

        with self._lock:
            if body.get("temperature") is None:
                asked = json.dumps(body, sort_keys=True)
                self._seen[asked] += 1
                body = body | {
                    "temperature": 1.0,
                    "seed": f"{body.get('seed')}/{self._seen[asked]}",
                }
        text = respond(body)
        with self._lock:
            self._tokens += (
                len(json.dumps(body.get("messages"), ensure_ascii=False)) + len(text)
            ) // 4
        return text


class Worker:
    """A side's process, asked one job at a time."""

    def __init__(self, python: str, side: str, model: Model) -> None:
        self._folder = tempfile.TemporaryDirectory()
        script = {"ours": "our_side.py", "mlflow": "mlflow_side.py"}[side]
        env = (
            os.environ
            | {
                "OPENAI_API_BASE": model.base_url,
                "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY", "stub"),
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "DSPY_CACHEDIR": self._folder.name,  # what an earlier start was answered must not look free in this one
                "BENCH_EMBEDDING": model.embedding_model or "",
            }
        )
        self._process = subprocess.Popen(
            [python, str(HERE / "made_tasks" / script)], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self.version = json.loads(self._out.readline())["version"]

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """The result of a job."""
        print(json.dumps(job), file=self._in, flush=True)
        answer = self._out.readline()
        if not answer:
            sys.exit(f"The process of {self._process.args} ended with {self._process.wait()}.")
        result: dict[str, Any] = json.loads(answer)
        return result

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self._in.close()
        self._process.wait()
        self._folder.cleanup()


if __name__ == "__main__":
    main()
