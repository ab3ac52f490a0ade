"""The tables, a module a noun."""

from annotator.models.feedback import Assessment, Kind, Label, Source, Visibility
from annotator.models.judges import GuidelineVersion, Judge, JudgeVersion
from annotator.models.log import ActivityLog
from annotator.models.people import ApiToken, Membership, Role, SignInLink, Team, User
from annotator.models.runs import AlignmentRun, JudgeJob, JudgeShard, JudgeTrial, RunAnswer
from annotator.models.traces import Experiment, Span, Trace, TraceState
from annotator.models.work import LIVE, LeasedWork, Worker, WorkStatus

__all__ = [
    "LIVE",
    "ActivityLog",
    "AlignmentRun",
    "ApiToken",
    "Assessment",
    "Experiment",
    "GuidelineVersion",
    "Judge",
    "JudgeJob",
    "JudgeShard",
    "JudgeTrial",
    "JudgeVersion",
    "Kind",
    "Label",
    "LeasedWork",
    "Membership",
    "Role",
    "RunAnswer",
    "SignInLink",
    "Source",
    "Span",
    "Team",
    "Trace",
    "TraceState",
    "User",
    "Visibility",
    "WorkStatus",
    "Worker",
]
