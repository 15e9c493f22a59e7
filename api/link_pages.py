"""The small pages that one-click links lead to: what is asked, or a sentence when there is nothing to decide.

link, run ─► standing(…) ─► open: the form        ─┐
                         └► not: why, in a sentence ─┴─► page(…) ─► HTML, with its own strict policy
"""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final, NamedTuple

from fastapi import Response
from minijinja import Environment

from api.questions import subject_of
from blocks.links import Link
from engine.asked import is_closed, voice
from engine.limits import REASON_CHARS
from engine.run import TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, RunStatus, TaskStatus

COMMENT_CHARS: Final = REASON_CHARS

_DETAILS_CHARS: Final = 10_000
_DONE: Final = {"approve": "approved", "reject": "rejected"}
_ASKING: Final = {"approve": ("Do you approve?", "Approve"), "reject": ("Do you reject?", "Reject")}
_PAGES: Final = files("api") / "pages"
_STYLE: Final = (_PAGES / "link.css").read_text("utf-8")
_ENVIRONMENT: Final = Environment(templates={"link.html": (_PAGES / "link.html").read_text("utf-8")})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


class Standing(NamedTuple):
    """How a link stands: `is_open`, or what has become of it, with the status that says the same to programs."""

    status: HTTPStatus
    heading: str
    sentence: str
    is_open: bool = False


_OPEN: Final = Standing(HTTPStatus.OK, "", "", is_open=True)
_RETRIED: Final = Standing(
    HTTPStatus.GONE,
    "Out of date",
    "This has been begun anew since the link was sent. If you are asked again, you get another message.",
)
_CANCELLED: Final = Standing(
    HTTPStatus.GONE, "No longer needed", "The run has been cancelled: nothing is to be decided."
)
_ENDED: Final = Standing(HTTPStatus.GONE, "No longer needed", "The run has gone on, or ended, without this decision.")
_TOO_LATE: Final = Standing(HTTPStatus.GONE, "Too late", "The time to decide is over.")
_TOO_EARLY: Final = Standing(
    HTTPStatus.CONFLICT, "One moment", "This is still being prepared: try the link again in a minute."
)
_BY_OTHERS: Final = Standing(
    HTTPStatus.CONFLICT, "Already decided", "Others have decided meanwhile: there is nothing left to do for you."
)
_IN_YOUR_PLACE: Final = Standing(
    HTTPStatus.CONFLICT, "Already decided", "The person to whom you handed this over has decided in your place."
)
_HANDED_OVER: Final = Standing(
    HTTPStatus.GONE, "Handed over", "You have handed this over to somebody else, who decides in your place now."
)
_NOT_ASKED: Final = Standing(HTTPStatus.GONE, "No longer needed", "You are not asked to decide on this any more.")


def standing(run: WorkflowRun, link: Link, signal: str) -> Standing:
    """How a link stands; `signal` is the id of what following it sends."""
    task = run.tasks.get(link.task)
    if task is None or task.generation != link.generation:
        return _RETRIED
    return _said(task, link, signal) or _over(run, task) or _asked(task, link)


def _said(task: TaskState, link: Link, signal: str) -> Standing | None:
    """What the person has decided already, by this link or otherwise, or somebody in his place."""
    for one in task.accepted:
        done = _DONE.get(one.decision or "", "answered")
        if one.id == signal and one.sender == link.person:
            return Standing(
                HTTPStatus.OK, f"You have {done} this", "Your decision is recorded. You can close this page."
            )
        if one.sender == link.person:
            sentence = f"You have already {done} this: a decision can't be taken back."
            return Standing(HTTPStatus.CONFLICT, "Already decided", sentence)
        if one.on_behalf == link.person:
            return _IN_YOUR_PLACE
    return None


def _over(run: WorkflowRun, task: TaskState) -> Standing | None:
    """Why there is nothing to decide any more."""
    if task.status is TaskStatus.TIMED_OUT:
        return _TOO_LATE
    if run.status is RunStatus.CANCELLED or task.status is TaskStatus.CANCELLED:
        return _CANCELLED
    if task.status in FINAL_TASK:
        return _BY_OTHERS if task.accepted and task.status is not TaskStatus.SKIPPED else _ENDED
    return _ENDED if run.is_final else None


def _asked(task: TaskState, link: Link) -> Standing:
    """Whether the person is asked now."""
    wants = task.wants
    if wants is None:
        return _TOO_EARLY
    if is_closed(task, wants):
        return _BY_OTHERS
    if voice(task, wants, link.person, ()) is None:
        return _HANDED_OVER if any(whom == link.person for _, whom in task.delegated) else _NOT_ASKED
    return _OPEN


def form(run: WorkflowRun, link: Link, *, sentence: str = "", comment: str = "") -> Response:
    """The page that asks; `sentence` says what was wrong with what was sent before."""
    subject = subject_of(run, link.task)
    heading, button = _ASKING[link.decision]
    asked = {
        "title": subject.title or link.task,
        "details": _details(subject.details),
        "requested_by": run.requested_by,
        "person": link.person,
        "run": run.id,
        "workflow": run.workflow,
        "until": f"{datetime.fromtimestamp(link.expires_at, UTC):%Y-%m-%d %H:%M} UTC",
        "decision": link.decision,
        "button": button,
        "comment": comment,
        "comment_chars": COMMENT_CHARS,
    }
    return _page(HTTPStatus.UNPROCESSABLE_ENTITY if sentence else HTTPStatus.OK, heading, sentence, asked)


def notice(standing: Standing, *, retry_after: int | None = None) -> Response:
    """The page that says how a link stands."""
    response = _page(standing.status, standing.heading, standing.sentence, None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _details(details: Any) -> str:
    """What people should know, as text of a bounded length."""
    text = details if isinstance(details, str) else json.dumps(details, ensure_ascii=False, indent=2)
    if details is None:
        return ""
    return text if len(text) <= _DETAILS_CHARS else f"{text[:_DETAILS_CHARS]}…"


def _page(status: HTTPStatus, heading: str, sentence: str, asked: dict[str, Any] | None) -> Response:
    html = _ENVIRONMENT.render_template("link.html", heading=heading, sentence=sentence, asked=asked, style=_STYLE)
    return Response(html, status, _HEADERS, "text/html")
