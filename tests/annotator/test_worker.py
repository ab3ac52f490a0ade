"""Jobs in a real worker, on the broker and the database of this test."""

from __future__ import annotations

from functools import partial

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from annotator.models import Assessment, JudgeShard, User, WorkStatus
from annotator.services import jobs
from tests.factories import create_experiment, create_judge, create_trace
from tests.processes import WorkerProcess, eventually

pytestmark = pytest.mark.django_db(transaction=True)


def says_good(_: object) -> str:
    return '{"rationale": "It answers.", "result": "good"}'


def test_a_job_survives_a_worker_that_is_killed_in_the_middle_of_it(
    worker_process: WorkerProcess, adam: User
):
    experiment = create_experiment()
    traces = [create_trace(experiment=experiment).pk for _ in range(3)]
    with StubServer(says_good) as model:
        judge = create_judge(experiment=experiment, model="openai:/any", base_url=model.base_url)
        assert judge.current_version is not None
        model.always = StubAnswer(hang=True)
        job = jobs.start_job(actor=adam, version=judge.current_version, traces=traces)
        assert eventually(lambda: model.calls == 3), worker_process.process.text

        worker_process.kill()
        model.always = None
        worker_process.restart()

        shards = JudgeShard.objects.filter(job=job)
        done = partial(shards.filter(status=WorkStatus.SUCCEEDED).exists)
        assert eventually(done), f"{shards.values()} {worker_process.process.text}"
    assert [shard.attempt for shard in shards] == [2]
    judged = [verdict.trace.pk for verdict in Assessment.objects.verdicts()]
    assert sorted(judged) == sorted(traces)
