"""How long the server takes to take an answer and show the next item, with 50 reviewers at once. Aim: p95 below 50 ms.

    python bench/review.py [--people 50] [--items 20] [--pause 5]

The web server runs as `make run` starts it, on a temporary SQLite database, or on the empty one that DATABASE_URL names.
Times are those of gunicorn's access log: from the whole request to the whole answer, without what the network takes. The
reviewers are threads of this process on the same machine; each reads for `--pause` seconds on average.
"""

import argparse
import http.client
import os
import random
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

CSRF = "x" * 32
LOG = "GUNICORN_CMD_ARGS"
LOG_FORMAT = "--access-logfile - --access-logformat 'TIME %(D)s %({x-kind}i)s %(m)s %(s)s'"
VALUES = ("excellent", "good", "fair", "poor")


def fill(people: int, items: int) -> tuple[int, int, list[tuple[str, list[int]]]]:
    """A running session; its pk, the judge's pk, and of each person the cookie and the batch, as pks of assignments."""
    from datetime import timedelta

    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils import timezone

    from annotator.models import Assignment, Experiment, Membership, Team, Trace, User
    from annotator.services import session_states, sessions, verdicts
    from annotator.services.judges import create_judge
    from judges.entities import AssessmentSource, Feedback, SourceType
    from judges.values import ValueKind, ValueType

    team = Team.objects.create(name="Shop")
    lead = User.objects.create_user("lead")
    Membership.objects.create(user=lead, team=team, role="LEAD")
    users = [User.objects.create_user(f"expert{number}") for number in range(people)]
    Membership.objects.bulk_create(
        [Membership(user=user, team=team, role="EXPERT") for user in users]
    )
    experiment = Experiment.objects.create(team=team, name="support")
    judge = create_judge(
        actor=lead,
        experiment=experiment,
        name="quality",
        instructions="Grade {{ outputs }} as an answer to {{ inputs }}.",
        value_type=ValueType(kind=ValueKind.CATEGORY, categories=VALUES, ordered=True),
        model="demo:/judge",
    )
    answer = "Thank you for writing. Your parcel left our house on Monday. " * 12
    traces = Trace.objects.bulk_create(
        Trace(
            experiment=experiment,
            trace_id=f"tr-{number:06}",
            inputs={"messages": [{"role": "user", "content": f"Where is order {number}?"}]},
            outputs={"content": answer},
            request_preview=f"Where is order {number}?",
            response_preview=answer[:200],
        )
        for number in range(people * items // 2)
    )
    source = AssessmentSource(source_type=SourceType.LLM_JUDGE, source_id="demo:/judge")
    assert judge.current_version is not None
    verdicts.log_verdicts(
        version=judge.current_version,
        verdicts=[
            (
                trace.pk,
                Feedback(name="quality", value="good", rationale="It answers.", source=source),
            )
            for trace in traces
        ],
    )
    now = timezone.now()
    session = sessions.create_session(
        actor=lead,
        experiment=experiment,
        name="Benchmark",
        judges=[judge],
        overlap=2,
        per_reviewer=items,
        shared_items=0,
        opens_at=now,
        closes_at=now + timedelta(days=1),
    )
    sessions.set_reviewers(actor=lead, session=session, rooms=dict.fromkeys(users))
    sessions.set_items(
        actor=lead, session=session, picks=[sessions.Pick(trace=trace.pk) for trace in traces]
    )
    session_states.schedule_session(actor=lead, session=session)
    batches = []
    for user in users:
        store = SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        store.save()
        batch = Assignment.objects.filter(reviewer__user=user).values_list("pk", flat=True)
        batches.append((str(store.session_key), list(batch)))
    return session.pk, judge.pk, batches


class Reviewer(threading.Thread):
    """Reads, answers, has the next item come along, and holds it, as the review screen does."""

    def __init__(
        self, port: int, session: int, judge: int, cookie: str, places: list[int], pause: float
    ) -> None:
        super().__init__(daemon=True)
        self.judge, self.cookie, self.places, self.pause = judge, cookie, places, pause
        self.batch = f"/sessions/{session}/review/"
        self.chance = random.Random(cookie)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.answers = 0

    def run(self) -> None:
        """Review to the end of the batch."""
        time.sleep(self.chance.random() * self.pause)
        self.ask("GET", f"{self.batch}{self.places[0]}/", "start")
        for place, following in zip(self.places, [*self.places[1:], None], strict=True):
            time.sleep(self.pause * (0.5 + self.chance.random()))
            form = {
                "value": self.chance.choice(VALUES),
                "submission": uuid.uuid4().hex,
                "action": "submit",
                "ahead": str(following or ""),
            }
            address = f"{self.batch}{place}/?judge={self.judge}"
            status, text = self.ask("POST", address, "answer", form)
            assert status == 200, f"{status} {text[:500]}"
            self.answers += 1
            if following is not None:
                assert f'data-ahead="{following}"' in text, text[:500]
                self.ask("POST", f"{self.batch}{following}/beat/", "beat")

    def ask(
        self, method: str, path: str, kind: str, form: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Status, and where it leads or what it says."""
        headers = {
            "Cookie": f"sessionid={self.cookie}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
            "X-Kind": kind,
            "HX-Request": "true",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        for attempt in range(3):
            try:
                self.connection.request(method, path, urlencode(form or {}), headers)
                answer = self.connection.getresponse()
                text = answer.read().decode()
                return answer.status, answer.getheader("Location") or text
            except (http.client.HTTPException, OSError):
                if attempt == 2:
                    raise
                self.connection.close()
        raise AssertionError("unreachable")


def percentiles(milliseconds: list[float]) -> str:
    """Median, p95 and p99."""
    cuts = statistics.quantiles(milliseconds, n=100)
    return f"median {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, p99 {cuts[98]:.0f} ms (n = {len(milliseconds)})"


def report(log: str) -> None:
    """What the access log tells of answers, each with the next item in it, and of the beats that hold it."""
    answers: list[float] = []
    beats: list[float] = []
    for micro, kind, method, status in re.findall(r"TIME (\d+) (\w+) (\w+) (\d+)", log):
        if method == "POST" and status in ("200", "204"):
            (beats if kind == "beat" else answers).append(int(micro) / 1000)
    print("submit and show next: ", percentiles(answers))
    print("hold the next:        ", percentiles(beats))


def main() -> None:
    """Fill, serve, review, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--pause", type=float, default=5.0)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="annotator-bench-")
    os.environ.update(ANNOTATOR_DATA=folder, DJANGO_SETTINGS_MODULE="annotator.settings")
    with socket.create_server(("127.0.0.1", 0)) as free:
        os.environ["PORT"] = str(free.getsockname()[1])
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from annotator.management.commands.quickstart import programs

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    session, judge, batches = fill(options.people, options.items)
    command = next(program.command for program in programs() if program.name == "web")
    log_path = Path(folder) / "web.log"
    with log_path.open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, LOG: LOG_FORMAT}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while "Booting worker" not in log_path.read_text():
                assert server.poll() is None, log_path.read_text()
                time.sleep(0.1)
            reviewers = [
                Reviewer(settings.PORT, session, judge, cookie, places, options.pause)
                for cookie, places in batches
            ]
            began = time.monotonic()
            for reviewer in reviewers:
                reviewer.start()
            for reviewer in reviewers:
                reviewer.join()
            seconds = time.monotonic() - began
        finally:
            server.terminate()
            server.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    answers = sum(reviewer.answers for reviewer in reviewers)
    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    print(
        f"{engine}, {options.people} reviewers, {answers} answers, {answers / seconds:.0f} a second"
    )
    report(log_path.read_text())
    print(
        f"the server's CPU time for each: {1000 * (used.ru_utime + used.ru_stime) / answers:.0f} ms"
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
