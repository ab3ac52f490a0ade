"""`manage.py agreement JUDGE [JUDGE …] --experiment NAME [--json]`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from annotator.management.common import counted, find_experiment, find_judge
from annotator.services.agreement import agreement_report
from judges.values import value_key

_TITLES = {
    "krippendorff_alpha": "Krippendorff's alpha",
    "fleiss_kappa": "Fleiss' kappa",
    "pairwise_cohen_kappa": "Cohen's kappa",
    "percent_agreement": "Same answer",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
    "weighted_kappa": "Weighted kappa",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "phi": "Phi",
    "false_positive_rate": "Too kind",
    "false_negative_rate": "Too strict",
    "side_recall": "Found of side",
}


class Command(BaseCommand):
    """How far people agree with each other, and judges with the settled labels."""

    help = (
        "Agreement among the people who answered under a judge's name, and of each judge and program with the settled "
        "labels. Several names are pooled: an item is then a trace under a name."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("judge", nargs="+", help="the judge's name")
        parser.add_argument("--experiment", required=True)
        parser.add_argument(
            "--team", help="the experiment's team, where several have one of that name"
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        experiment = find_experiment(options["experiment"], options["team"])
        names = list(dict.fromkeys(options["judge"]))
        report = agreement_report([find_judge(experiment, name) for name in names])
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2, allow_nan=False))
            return
        for line in _table(report):
            self.stdout.write(line)


def _table(report: dict[str, Any]) -> Iterator[str]:
    labels = ", ".join(f"{count:,} {value}" for value, count in report["labels"].items()) or "none"
    yield f"{', '.join(report['names'])}: {counted(report['n'], 'item')} with feedback. Labels: {labels}."
    yield ""
    raters = ", ".join(report["humans"]["raters"]) or "nobody"
    yield f"Among people ({raters}); {counted(report['humans']['n'], 'item')} shared"
    yield from _figures(report["humans"]["details"])
    for source, figures in report["judges"].items():
        yield ""
        yield f"{source} against the labels; {counted(figures['n'], 'item')}"
        yield from _figures(figures["details"])
        yield from _confusion(figures["confusion"])


def _figures(details: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, figure in details.items():
        title = f"{prefix}{_TITLES.get(name, name)}"
        if "value" not in figure:
            yield from _figures(figure, prefix=f"{title}, ")
        elif figure["value"] is None:
            yield f"  {title}: undefined. {figure['why']}"
        else:
            reach = ""
            if figure["low"] is not None:
                reach = f"  (95 %: {figure['low']:.3f} to {figure['high']:.3f})"
            yield f"  {title}: {figure['value']:.3f}{reach}  n = {figure['n']:,}"


def _confusion(confusion: dict[str, Any] | None) -> Iterator[str]:
    if not confusion or not confusion["labels"]:
        return
    names = [value_key(value) for value in confusion["labels"]]
    width = max(map(len, names))
    cell = max(width, 6)
    yield f"  {'label':{width}}  verdict"
    yield f"  {'':{width}}  " + "  ".join(f"{name:>{cell}}" for name in names)
    for name, row in zip(names, confusion["matrix"], strict=True):
        yield f"  {name:{width}}  " + "  ".join(f"{count:>{cell},}" for count in row)
