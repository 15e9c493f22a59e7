"""What somebody may see: all runs of his tenant, those that are his own, or those in which he is asked."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from api.access import RULES, Rule
from api.principal import Principal
from api.problems import Problem, not_found
from api.questions import was_asked
from api.services import Services
from engine.asked import waiting_for
from engine.run import WorkflowRun
from store.protocol import Store


async def run_for(services: Services, principal: Principal, operation: str, run_id: str) -> WorkflowRun:
    """The run that somebody wants to do something with.

    Raises:
        Problem: it doesn't exist for him (404), or he may read it but not do this (403).
    """
    return await run_in_threadpool(_run_for, services.store, principal, operation, run_id)


def _run_for(store: Store, principal: Principal, operation: str, run_id: str) -> WorkflowRun:
    """As above; whom a task asked may be a costly question."""
    run = store.load([run_id]).get(run_id)
    if run is None or not applies(RULES["read_run"], principal, run):
        raise not_found(f"run {run_id!r}")
    if not applies(RULES[operation], principal, run):
        sentence = f"{principal.subject!r} may read run {run_id!r}, but not do this with it"
        raise Problem(HTTPStatus.FORBIDDEN, "not-yours", sentence)
    return run


def applies(rule: Rule, principal: Principal, run: WorkflowRun) -> bool:
    """Whether a rule lets somebody do something with this run."""
    if run.tenant != principal.tenant:
        return False
    if not rule.all.isdisjoint(principal.roles):
        return True
    if not rule.own.isdisjoint(principal.roles) and run.requested_by == principal.subject:
        return True
    return not rule.asked.isdisjoint(principal.roles) and is_asked(principal, run)


def is_asked(principal: Principal, run: WorkflowRun) -> bool:
    """Whether the run waits for somebody, or had asked him in this generation, though others were quicker."""
    return not waiting_for(run).isdisjoint(principal.keys) or was_asked(run, principal)
