"""A plan: a workflow document compiled once, for all of its runs.

Expressions are parsed, templates compiled, durations turned into seconds, and the dag is indexed by who waits for whom,
so that applying a transition touches only the tasks that it concerns.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from engine.depends import And, Atom, Expression, atoms, handles, parse
from engine.documents import Retry, TaskSpec, Workflow
from engine.durations import parse_duration
from engine.references import Template, compile_template
from engine.schemas import Schema, compile_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE_ATTEMPT = Retry()


@dataclass(frozen=True, slots=True)
class Backoff:
    """A retry policy in seconds."""

    max_attempts: int
    initial: float
    factor: float
    longest: float
    jitter: float

    def delay(self, attempt: int, luck: float) -> float:
        """Seconds to wait after the failure of `attempt` (1, 2, …); `luck` is a random number in [0, 1)."""
        exponent = min(attempt - 1, 1000)
        try:
            waiting = min(self.initial * self.factor**exponent, self.longest)
        except OverflowError:
            waiting = self.longest
        return waiting * (1.0 + self.jitter * luck)


@dataclass(frozen=True, slots=True)
class PlannedCondition:
    """One condition of a `when`, its sides compiled."""

    left: Template
    operator: str
    right: Template


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task, compiled.

    `gate` holds the clauses that must all be true for it to start: its `depends`, and that every task it refers to is
    final. `mentions` has the clauses that name a given task.
    """

    spec: TaskSpec
    depends: Expression | None
    gate: tuple[Expression, ...]
    mentions: "Mapping[str, tuple[Expression, ...]]"
    arguments: Template
    when: tuple[PlannedCondition, ...]
    backoff: Backoff
    timeout: float | None

    @property
    def upstream(self) -> "Mapping[str, tuple[Expression, ...]]":
        """The tasks that this one waits for."""
        return self.mentions


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A workflow, compiled.

    `dependents` has, for each task, those whose gate names it; `handlers` those that would handle its failure.
    """

    workflow: Workflow
    source: bytes
    tasks: "Mapping[str, PlannedTask]"
    dependents: "Mapping[str, tuple[str, ...]]"
    handlers: "Mapping[str, tuple[str, ...]]"
    timeout: float | None
    outputs: Template
    inputs: Schema

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process compiles it again from the document, once."""
        return (plan_of, (self.source,))


def _planned(spec: TaskSpec) -> PlannedTask:
    depends = parse(spec.depends)
    arguments = compile_template(spec.arguments)
    when = tuple(
        PlannedCondition(compile_template(one.left), one.operator, compile_template(one.right))
        for one in spec.when or ()
    )
    referred = set(arguments.tasks).union(*(one.left.tasks | one.right.tasks for one in when))
    clauses = () if depends is None else depends.operands if isinstance(depends, And) else (depends,)
    gate = (*clauses, *(Atom(name, None, 0) for name in sorted(referred)))
    mentions: dict[str, list[Expression]] = {}
    for clause in gate:
        for name in {atom.task: None for atom in atoms(clause)}:
            mentions.setdefault(name, []).append(clause)
    retry = spec.retry or _ONE_ATTEMPT
    return PlannedTask(
        spec=spec,
        depends=depends,
        gate=gate,
        mentions=MappingProxyType({name: tuple(clauses) for name, clauses in mentions.items()}),
        arguments=arguments,
        when=when,
        backoff=Backoff(
            retry.max_attempts,
            parse_duration(retry.initial_interval),
            retry.backoff,
            parse_duration(retry.max_interval),
            retry.jitter,
        ),
        timeout=None if spec.timeout is None else parse_duration(spec.timeout),
    )


def compile_workflow(workflow: Workflow) -> Plan:
    """Compile a workflow that `engine.validation` has passed.

    Raises:
        ValueError: an expression, a template or a schema in it can't be compiled.
    """
    tasks = {spec.name: _planned(spec) for spec in workflow.dag.tasks}
    dependents: dict[str, list[str]] = {name: [] for name in tasks}
    handlers: dict[str, list[str]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        for other in task.mentions:
            dependents[other].append(name)
        for other in handles(task.depends) if task.depends is not None else ():
            handlers[other].append(name)
    return Plan(
        workflow=workflow,
        source=workflow.model_dump_json(exclude_none=True).encode(),
        tasks=MappingProxyType(tasks),
        dependents=MappingProxyType({name: tuple(others) for name, others in dependents.items()}),
        handlers=MappingProxyType({name: tuple(others) for name, others in handlers.items()}),
        timeout=None if workflow.timeout is None else parse_duration(workflow.timeout),
        outputs=compile_template(workflow.outputs),
        inputs=compile_schema(workflow.inputs),
    )


@lru_cache(maxsize=512)
def plan_of(source: bytes) -> Plan:
    """The plan of a workflow's JSON document, compiled once and shared.

    Raises:
        ValueError: the document is not a valid workflow.
    """
    return compile_workflow(Workflow.model_validate_json(source))
