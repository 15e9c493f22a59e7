"""Who is asking: the person or program that a request was authenticated as, and what it may do."""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.asked import group_key, person_key


class Role(StrEnum):
    """What somebody may do within his tenant; `api.access` has the table."""

    ADMIN = "admin"
    BUILDER = "builder"
    REQUESTER = "requester"
    APPROVER = "approver"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody authenticated. `subject` is the name that runs, decisions and journals know him by.

    `via` says how: `none`, `key:<id of the key>`, `oidc` or `link`.
    """

    subject: str
    tenant: str
    roles: frozenset[Role]
    groups: tuple[str, ...] = ()
    via: str = field(default="none", compare=False)

    @property
    def keys(self) -> frozenset[str]:
        """What runs that wait for him are found by."""
        return frozenset({person_key(self.subject), *map(group_key, self.groups)})
