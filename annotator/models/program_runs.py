"""Runs that programs record, such as an evaluation: MLflow's runs. They have nothing to do with alignment runs."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.traces import Experiment, Trace


def new_run_id() -> str:
    """An identifier in MLflow's form."""
    return uuid.uuid4().hex


class ProgramRun(models.Model):
    """What a program did once, with its figures, and the traces that it was about.

    Attributes:
        started_ms: Milliseconds since 1970, as the program said.
        ended_ms: The same; None while it runs.
        params: Texts by key, written once each.
        metrics: `{"value", "timestamp", "step"}` by key, the latest of each.
        tags: Texts by key.
        inputs: Data sets it read, as they came.
    """

    class Status(models.TextChoices):
        RUNNING = "RUNNING", "Running"
        SCHEDULED = "SCHEDULED", "Scheduled"
        FINISHED = "FINISHED", "Finished"
        FAILED = "FAILED", "Failed"
        KILLED = "KILLED", "Killed"

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="program_runs"
    )
    run_id = models.CharField(max_length=64, unique=True, default=new_run_id)
    name = models.CharField(max_length=250, blank=True)
    user_name = models.CharField(max_length=250, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    started_ms = models.BigIntegerField(default=0)
    ended_ms = models.BigIntegerField(null=True, blank=True)
    params = JSONTextField(default=dict, blank=True)
    metrics = JSONTextField(default=dict, blank=True)
    tags = JSONTextField(default=dict, blank=True)
    inputs = JSONTextField(default=list, blank=True)
    traces = models.ManyToManyField(Trace, related_name="program_runs", blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} {self.run_id} ({self.pk})"
