"""The tables, a module a noun."""

from annotator.models.assignments import (
    PRACTISED,
    WAITING,
    Assignment,
    AssignmentState,
    Item,
    SkipReason,
)
from annotator.models.drift import DriftAlarm
from annotator.models.feedback import Assessment, Kind, Label, Source, Visibility
from annotator.models.judges import GuidelineVersion, Judge, JudgeVersion
from annotator.models.log import ActivityLog
from annotator.models.new_traces import NewTraces
from annotator.models.notifications import Notification, NotificationKind, Preferences, Timing
from annotator.models.people import ApiToken, Membership, Role, Scope, SignInLink, Team, User
from annotator.models.prices import ModelPrice
from annotator.models.program_runs import ProgramRun
from annotator.models.runs import AlignmentRun, JudgeJob, JudgeShard, JudgeTrial, RunAnswer
from annotator.models.sessions import (
    ANNOUNCED,
    RUNNING,
    FeedbackSession,
    Goal,
    ItemOrder,
    RationaleRule,
    Reviewer,
    SessionJudge,
    SessionStatus,
    StandingRule,
)
from annotator.models.settling import Cause, DisagreementCause, Settlement
from annotator.models.traces import Experiment, ExperimentTag, Span, Trace, TraceFact, TraceState
from annotator.models.work import LIVE, LeasedWork, Worker, WorkerOutage, WorkStatus

__all__ = [
    "ANNOUNCED",
    "LIVE",
    "PRACTISED",
    "RUNNING",
    "WAITING",
    "ActivityLog",
    "AlignmentRun",
    "ApiToken",
    "Assessment",
    "Assignment",
    "AssignmentState",
    "Cause",
    "DisagreementCause",
    "DriftAlarm",
    "Experiment",
    "ExperimentTag",
    "FeedbackSession",
    "Goal",
    "GuidelineVersion",
    "Item",
    "ItemOrder",
    "Judge",
    "JudgeJob",
    "JudgeShard",
    "JudgeTrial",
    "JudgeVersion",
    "Kind",
    "Label",
    "LeasedWork",
    "Membership",
    "ModelPrice",
    "NewTraces",
    "Notification",
    "NotificationKind",
    "Preferences",
    "ProgramRun",
    "RationaleRule",
    "Reviewer",
    "Role",
    "RunAnswer",
    "Scope",
    "SessionJudge",
    "SessionStatus",
    "Settlement",
    "SignInLink",
    "SkipReason",
    "Source",
    "Span",
    "StandingRule",
    "Team",
    "Timing",
    "Trace",
    "TraceFact",
    "TraceState",
    "User",
    "Visibility",
    "WorkStatus",
    "Worker",
    "WorkerOutage",
]
