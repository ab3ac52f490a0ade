"""`mlflow.genai.evaluate` and the runs that it needs."""

from annotator.demo.http_stub import StubServer
from annotator.models import Assessment, Source
from tests.clients.conftest import Door, asked_of
from tests.clients.environments import NEWEST, Clients


def test_evaluate_judges_traces_and_its_verdicts_are_ours(
    clients: Clients, door: Door, model: StubServer
) -> None:
    client = clients.get(NEWEST, **asked_of(model))
    sent = door.call(client, "sending.many", experiment="Evaluated", count=3)
    done = door.call(client, "evaluation.evaluate", experiment=sent["experiment"])
    assert done["status"] == "FINISHED"
    assert set(done["traces"]) == set(sent["ids"])
    assert {tuple(row[:1] + row[2:]) for row in done["assessments"]} == {
        ("answer_quality", "LLM_JUDGE", done["run"])
    }
    verdicts = Assessment.objects.filter(name="answer_quality", source_type=Source.LLM_JUDGE)
    assert {verdict.value for verdict in verdicts} <= {"excellent", "good", "fair", "poor"}
    assert verdicts.count() == 3


def test_runs_keep_parameters_metrics_tags_and_their_traces(clients: Clients, door: Door) -> None:
    done = door.call(clients.get(NEWEST), "evaluation.run", experiment="Runs")
    assert done["status"] == "FINISHED"
    assert done["name"] == "nightly"
    assert done["params"] == {"temperature": "0.5"}
    assert done["metrics"] == {"agreement": 0.8}
    assert done["stage"] == "test"
    assert done["traces"] == [done["trace"]]
