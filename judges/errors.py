"""Errors of the core, one tree, so that a caller can act on the type.

JudgeError
├── InvalidJudgeError(ValueError)     the judge's definition is wrong: show it, do not retry
├── InvalidTraceError(ValueError)     the case given to a judge lacks what its instructions need
├── JudgeCallError                    the model could not give a verdict
│   ├── ProviderError                 the provider failed; `retryable` says whether later may help
│   │   ├── ProviderAuthError         the key is missing or refused
│   │   ├── ProviderRateLimitError    too many requests
│   │   ├── ProviderTimeoutError      no answer in time
│   │   ├── ProviderUnavailableError  connection refused, 5xx
│   │   └── ProviderRequestError      the provider refused the request itself (unknown model, bad parameter)
│   └── MalformedAnswerError          an answer that is no verdict of the declared type, also when asked again
├── BudgetExceededError               calls or money used up
└── AlignmentError
    ├── NotEnoughFeedbackError        too few or too one-sided labels; `missing` says what
    └── OptimizerError                the optimizer failed or proposed something unusable

`Cancelled` stands outside: it derives from BaseException, because DSPy swallows every Exception.
"""

from __future__ import annotations


class JudgeError(Exception):
    """Base of everything that judges and alignment raise on purpose."""


class InvalidJudgeError(JudgeError, ValueError):
    """The judge's definition is wrong."""


class InvalidTraceError(JudgeError, ValueError):
    """The case lacks what the judge's instructions ask for."""


class JudgeCallError(JudgeError):
    """The model could not give a verdict."""

    retryable = False


class ProviderError(JudgeCallError):
    """The provider failed; `retry_after` is its own wish in seconds, if it named one."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderAuthError(ProviderError):
    """The key is missing or refused."""


class ProviderRequestError(ProviderError):
    """The provider refused the request itself."""


class ProviderRateLimitError(ProviderError):
    """Too many requests."""

    retryable = True


class ProviderTimeoutError(ProviderError):
    """No answer in time."""

    retryable = True


class ProviderUnavailableError(ProviderError):
    """Connection refused or a server error."""

    retryable = True


class MalformedAnswerError(JudgeCallError):
    """The answer is no verdict of the declared type; `answer` is its text."""

    def __init__(self, message: str, *, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class BudgetExceededError(JudgeError):
    """The calls or the money granted are used up."""


class AlignmentError(JudgeError):
    """The alignment could not be done."""


class NotEnoughFeedbackError(AlignmentError):
    """Too few or too one-sided labels; `missing` holds a sentence for each gap."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("Not enough feedback to align: " + "; ".join(missing) + ".")
        self.missing = missing


class OptimizerError(AlignmentError):
    """The optimizer failed or proposed something unusable."""


class Cancelled(BaseException):
    """The work was cancelled; nothing catches this on its way out."""
