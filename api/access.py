"""Who may do what: one rule for each operation of the API. An operation that has none can't be added.

              everything of the tenant      what one has started    what one is, or was, asked to decide
    rule  ──► `all`                         `own`                   `asked`

What somebody may not even read doesn't exist for him (404); what he may read, but not do, is refused (403).
`python -m api.access` prints the table that docs/access.md holds.
"""

import sys
from collections.abc import Mapping
from typing import Final, NamedTuple

from api.principal import Principal, Role

ADMIN, BUILDER, REQUESTER, APPROVER, VIEWER = Role.ADMIN, Role.BUILDER, Role.REQUESTER, Role.APPROVER, Role.VIEWER


class Rule(NamedTuple):
    """The roles that may do something: with `all` of their tenant, their `own` runs, those they are `asked` in.

    What is `public` needs no authentication; its operation sees to itself.
    """

    all: frozenset[Role] = frozenset()
    own: frozenset[Role] = frozenset()
    asked: frozenset[Role] = frozenset()
    public: bool = False

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of which it takes one to be let in at all."""
        return self.all | self.own | self.asked


def _rule(*roles: Role, own: tuple[Role, ...] = (), asked: tuple[Role, ...] = ()) -> Rule:
    return Rule(frozenset(roles), frozenset(own), frozenset(asked))


_PUBLIC: Final = Rule(public=True)
_ANYBODY: Final = _rule(*Role)
_BUILDERS: Final = _rule(ADMIN, BUILDER)
_ADMINS: Final = _rule(ADMIN)
_READERS: Final = _rule(ADMIN, BUILDER, VIEWER, own=(REQUESTER,), asked=(APPROVER,))
_CONTROLLERS: Final = _rule(ADMIN, own=(BUILDER, REQUESTER))
_DECIDERS: Final = _rule(asked=(APPROVER,))

RULES: Final[Mapping[str, Rule]] = {
    # what the process says of itself
    "healthz": _PUBLIC,
    "readyz": _PUBLIC,
    "metrics": _rule(ADMIN, VIEWER),
    "openapi": _PUBLIC,
    "docs": _PUBLIC,
    "who_am_i": _ANYBODY,
    # what workflows are made of
    "workflow_schema": _ANYBODY,
    "list_blocks": _ANYBODY,
    "read_block": _ANYBODY,
    # workflows
    "list_workflows": _ANYBODY,
    "read_workflow": _ANYBODY,
    "list_workflow_versions": _ANYBODY,
    "read_workflow_version": _ANYBODY,
    "read_workflow_inputs": _ANYBODY,
    "validate_workflow": _BUILDERS,
    "create_workflow": _BUILDERS,
    "save_workflow": _BUILDERS,
    "delete_workflow": _BUILDERS,
    # runs
    "start_run": _rule(ADMIN, BUILDER, REQUESTER),
    "start_inline_run": _BUILDERS,  # part of `start_run`: who may bring a definition along
    "list_runs": _READERS,
    "count_runs": _rule(ADMIN, BUILDER, VIEWER),
    "read_run": _READERS,
    "read_journal": _READERS,
    "explain_run": _READERS,
    "verify_run": _READERS,
    "read_task": _READERS,
    "cancel_run": _CONTROLLERS,
    "pause_run": _CONTROLLERS,
    "resume_run": _CONTROLLERS,
    "retry_run": _CONTROLLERS,
    "skip_task": _ADMINS,
    "signal_task": _rule(ADMIN, own=(BUILDER, REQUESTER), asked=(APPROVER,)),  # the task says whom it asks
    # many runs at once
    "start_operation": _ADMINS,
    "list_operations": _ADMINS,
    "read_operation": _ADMINS,
    "stop_operation": _ADMINS,
    # decisions
    "list_approvals": _rule(APPROVER),
    "decide": _DECIDERS,
    "delegate": _DECIDERS,
    "show_link": _PUBLIC,  # the link itself is the permission
    "use_link": _PUBLIC,
    # live
    "follow_run": _READERS,
    "follow_runs": _READERS,
    # webhooks
    "create_webhook": _BUILDERS,
    "list_webhooks": _BUILDERS,
    "rotate_webhook": _BUILDERS,
    "delete_webhook": _BUILDERS,
    "receive_webhook": _PUBLIC,  # the signature is the permission
}


def may(principal: Principal, operation: str) -> bool:
    """Whether somebody may do this with anything at all."""
    return not RULES[operation].roles.isdisjoint(principal.roles)


def table() -> str:
    """The rules in Markdown, a line for each operation."""
    rows = [f"| operation | {' | '.join(Role)} |", f"| --- |{' --- |' * len(Role)}"]
    for name, rule in RULES.items():
        cells = ["everybody" if rule.public else _extent(rule, role) for role in Role]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _extent(rule: Rule, role: Role) -> str:
    """How far a role's right goes."""
    if role in rule.all:
        return "all"
    return ", ".join(word for word, roles in (("own", rule.own), ("asked", rule.asked)) if role in roles) or "no"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
