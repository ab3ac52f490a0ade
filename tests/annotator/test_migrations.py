"""Migrations that change rows, run on rows as they were before; each in an installation of its own."""

from __future__ import annotations

import json

from tests.processes import Site

# Models as they were are what a migration sees: through them the rows are made, and looked at afterwards.
OF_THE_TIME = """
import json
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
apps = MigrationExecutor(connection).loader.project_state([("annotator", "{migration}")]).apps
model = lambda name: apps.get_model("annotator", name)
"""

BEFORE = """
users, teams = model("User").objects, model("Team").objects
experts, leads = teams.create(name="Experts"), teams.create(name="Leads")
ann, ben, cem = (users.create(username=name) for name in ("ann", "ben", "cem"))
member = model("Membership").objects
for user, team in ((ann, leads), (ann, experts), (ben, experts)):
    member.create(user=user, team=team, role="EXPERT")
for user in (ann, ben, cem):
    model("ApiToken").objects.create(user=user, name=f"{user.username}'s", digest=user.username)
experiment = model("Experiment").objects.create(team=experts, name="Desk")
trace = model("Trace").objects
trace.create(
    experiment=experiment,
    trace_id="tr-1",
    tags={"topic": "refund", "number": 7, "": "no key", "k" * 251: "long key", "nul": "a\\x00b"},
    metadata={"mlflow.traceInputs": "never looked for", "session": "x" * 150},
)
for number in range(2, 1003):  # more than one portion
    trace.create(experiment=experiment, trace_id=f"tr-{number}", tags={"number": str(number)})
"""

AFTER = """
print(json.dumps({
    "tokens": list(model("ApiToken").objects.order_by("pk").values_list("user__username", "team__name", "scopes")),
    "first": sorted(model("TraceFact").objects.filter(trace__trace_id="tr-1").values_list("kind", "key", "value", "value_start")),
    "others": model("TraceFact").objects.exclude(trace__trace_id="tr-1").count(),
    "last": list(model("TraceFact").objects.filter(trace__trace_id="tr-1002").values_list("key", "value")),
}))
"""


def _manage(site: Site, *command: str) -> str:
    code, said = site.run(*command)
    assert code == 0, said
    return said


def _run(site: Site, code: str, *, at: str) -> str:
    return _manage(
        site, "shell", "--no-imports", "-c", OF_THE_TIME.replace("{migration}", at) + code
    )


def test_tokens_get_a_team_and_traces_the_rows_they_are_found_by(site: Site) -> None:
    _manage(site, "migrate", "annotator", "0005")
    _run(site, BEFORE, at="0005_machine_door")
    _manage(site, "migrate", "annotator", "0006")
    found = json.loads(_run(site, AFTER, at="0006_machine_door_fill"))
    # of two teams the one joined first; cem's token could open nothing
    assert found["tokens"] == [["ann", "Leads", ["READ"]], ["ben", "Experts", ["READ"]]]
    assert found["first"] == [
        ["METADATA", "session", "x" * 150, "x" * 100],
        ["TAG", "nul", "ab", "ab"],
        ["TAG", "topic", "refund", "refund"],
    ]
    assert found["others"] == 1001
    assert found["last"] == [["number", "1002"]]
    _manage(site, "migrate")  # the later ones take these rows as they are
