"""The names that credentials give: of people, groups, tenants and roles. What is odd is refused, never mended."""

import re
from collections.abc import Iterable
from typing import Final

from api.principal import Principal, Role
from engine.documents import NAME_PATTERN
from engine.faults import nearest, shown
from engine.limits import ID_CHARS, NAME_CHARS

GROUPS: Final = 500  # of one person: each is a key that runs are looked up by

_TENANT: Final = re.compile(NAME_PATTERN)


class BadNameError(ValueError):
    """A name can't be used; the text is a sentence that says which, and why."""


def checked(
    subject: object, tenant: object, roles: Iterable[str], groups: Iterable[object] = (), *, via: str
) -> Principal:
    """Somebody with these names.

    Raises:
        BadNameError: one can't be used.
    """
    named = tuple(dict.fromkeys(_name(group, "a group") for group in groups))
    if len(named) > GROUPS:
        raise BadNameError(f"somebody is in {len(named)} groups: at most {GROUPS} are allowed")
    return Principal(_name(subject, "a subject"), _tenant(tenant), frozenset(map(role, roles)), named, via)


def role(name: str) -> Role:
    """The role of a name.

    Raises:
        BadNameError: there is none.
    """
    try:
        return Role(name)
    except ValueError:
        known = ", ".join(Role)
        raise BadNameError(f"{shown(name)} is not a role{nearest(name, Role)}: there are {known}") from None


def _name(name: object, what: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise BadNameError(f"{what} is a text with at least one character")
    if len(name) > ID_CHARS:
        raise BadNameError(f"{what} has {len(name):,} characters: at most {ID_CHARS} are allowed")
    if not name.isprintable() or name != name.strip():
        raise BadNameError(f"{what} has characters that can't be seen, or blanks around it: {shown(name)}")
    return name


def _tenant(name: object) -> str:
    if not isinstance(name, str) or len(name) > NAME_CHARS or not _TENANT.fullmatch(name):
        sentence = f"a tenant is a letter, then letters, digits, '_' and '-', at most {NAME_CHARS} characters"
        raise BadNameError(f"{sentence}: not {shown(str(name))}")
    return name
