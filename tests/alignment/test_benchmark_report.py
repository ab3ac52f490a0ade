"""The tables of `bench/alignment.py`, from a file of results as it writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "bench/alignment.py"


def _row(side: str, optimizer: str, *, right: int, seed: int) -> dict[str, object]:
    wrong = 200 - right
    return {
        "side": side, "task": "support", "condition": "flipped", "optimizer": optimizer, "seed": seed, "latency_ms": 200.0,
        "in_flight": 8, "model": "", "calls": 80, "tokens": 40_000, "embeddings": 0, "seconds": 2.5, "error": "",
        "serving_calls": 1.0, "serving_embeddings": 0.0, "serving_tokens": 346.0, "right": right,
        "pairs": [["true", "true", right], ["true", "false", wrong]],
    }  # fmt: skip


def test_the_report_sets_every_optimizer_beside_memalign_and_says_what_model_it_was(
    tmp_path: Path,
) -> None:
    rows = [
        row
        for seed in (5, 6)
        for row in (
            _row("mlflow", "MemAlign", right=150, seed=seed),
            _row("mlflow", "MemAlign at 0", right=160, seed=seed),
            _row("ours", "best_of", right=190, seed=seed),
        )
    ]
    results = tmp_path / "results.jsonl"
    results.write_text("\n".join(json.dumps(row) for row in rows))
    command = [sys.executable, str(BENCHMARK), "--report", str(results)]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shipped, at_zero = report.split("### Mean accuracy less that of MLflow's MemAlign\n")[1].split(
        "### Mean accuracy less that of MLflow's MemAlign at 0\n"
    )
    assert "| ours best_of | +0.200 (+0.200 to +0.200) |" in shipped
    assert "| ours best_of | +0.150 (+0.150 to +0.150) |" in at_zero
    assert "| ours best_of | 2 | 80 (80) | 40,000 | 2.5 | 0.80 at 8 in flight |" in at_zero
    assert report.count("no language model") == 4  # beside each of the tables


def test_the_report_leaves_out_the_comparison_that_was_not_run(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text(json.dumps(_row("ours", "best_of", right=190, seed=5)))
    command = [sys.executable, str(BENCHMARK), "--report", str(results)]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "### What it took" in report
    assert "MemAlign" not in report
