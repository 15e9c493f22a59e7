"""Commands about API keys: `keys create`, `keys list` and `keys revoke`. They need no API, only the store."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.text import Text

from api import auth_keys
from api.auth_keys import REMEMBERED_SECONDS, ApiKey
from api.auth_names import BadNameError, checked
from api.principal import Role
from engine.durations import parse_duration
from icefloe.cli.app import ByOption, Session, TenantOption, acting, app, command
from icefloe.cli.failures import CommandError, UsageError
from icefloe.cli.tables import Column
from icefloe.cli.wording import ago, moment
from store.protocol import Store

PANEL: Final = "API keys"
_LIFETIME: Final = "90d"
_NEVER: Final = "never"
_LABEL_CHARS: Final = 200
_COLUMNS: Final = (
    Column("KEY"),
    Column("SUBJECT", elastic=True),
    Column("TENANT"),
    Column("ROLES"),
    Column("GROUPS", elastic=True),
    Column("STATE"),
    Column("LABEL", elastic=True),
)

keys = typer.Typer(help="Make and revoke the keys by which programs and people use the API.", no_args_is_help=True)
app.add_typer(keys, name="keys", rich_help_panel=PANEL)


@command(PANEL, "create", keys)
def create(  # noqa: PLR0913 - a command's options
    session: Session,
    *,
    subject: Annotated[str, typer.Option(metavar="NAME", help="Who uses it: the name in journals and decisions")],
    role: Annotated[list[Role], typer.Option(help="What he may do; may be repeated")],
    group: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A group he is in; may be repeated")] = None,
    tenant: TenantOption = "default",
    expires: Annotated[
        str, typer.Option(metavar="DURATION", help="Works for so long: 12h, 90d; `never` is possible")
    ] = _LIFETIME,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for")] = "",
    by: ByOption = None,
) -> None:
    """Make an API key. It is shown once, and kept nowhere."""
    try:
        principal = checked(subject, tenant, role, group or (), via="none")
    except BadNameError as bad:
        raise UsageError(f"{bad}") from None
    if len(label) > _LABEL_CHARS:
        raise UsageError(f"--label: has {len(label):,} characters: at most {_LABEL_CHARS} are allowed")
    lifetime = _lifetime(expires)
    with session.store(create=True) as store:
        made = auth_keys.create(store, principal, by=acting(by), label=label, lifetime=lifetime)
    session.terminal.give({**made.key.document(), "token": made.token})
    ends = "" if made.key.expires_at is None else f"; it works until {moment(made.key.expires_at)}"
    session.terminal.show(Text.assemble((made.token, "bold")))
    session.terminal.complain(f"this is shown once: keep it where secrets are kept{ends}")


@command(PANEL, "list", keys)
def list_(
    session: Session,
    *,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Only keys of this tenant")] = None,
) -> None:
    """List the API keys, also those that don't work any more; never their secrets, which nobody has."""
    with session.store() as store:
        found = [key for key in auth_keys.keys(store) if tenant in (None, key.principal.tenant)]
        now = store.now()
    for key in found:
        session.terminal.give({**key.document(), "valid": key.is_valid(now)})
    if not found:
        session.terminal.show("there are no API keys: `icefloe keys create` makes one")
        return
    session.terminal.table(_COLUMNS, [_row(key, now) for key in found])


@command(PANEL, "revoke", keys)
def revoke(
    session: Session,
    ids: Annotated[list[str], typer.Argument(metavar="KEY...", help="As `keys list` names them")],
) -> None:
    """Let API keys work no more, in all APIs on this store within seconds.

    A key that was revoked before stays so. If one of them isn't there, none is revoked.
    """
    with session.store() as store:
        found = [_found(store, id_) for id_ in dict.fromkeys(ids)]
        for key in found:
            revoked = auth_keys.revoke(store, key)
            session.terminal.give({"id": revoked.id, "revoked_at": revoked.revoked_at})
            is_new = key.revoked_at is None
            said = f" is revoked, within {REMEMBERED_SECONDS:g} s everywhere" if is_new else " was revoked already"
            session.terminal.show(Text.assemble((revoked.id, "bold"), said))


def _found(store: Store, id_: str) -> ApiKey:
    """The key of an id, or of a token that somebody gave in its stead."""
    name = id_.split("_")[1] if id_.startswith(auth_keys.BEGINNING) and id_.count("_") > 1 else id_
    key = auth_keys.find(store, name)
    if key is None:
        # What was given may be a secret: it isn't repeated.
        raise CommandError("UNKNOWN_KEY", "there is no such API key: `icefloe keys list` says which there are")
    return key


def _lifetime(text: str) -> float | None:
    if text == _NEVER:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from None
    if seconds <= 0:
        raise UsageError("--expires: a key that has expired is of no use: give a length of time, such as 90d")
    return seconds


def _row(key: ApiKey, now: float) -> Sequence[Text | str]:
    who = key.principal
    return (
        Text(key.id, style="bold"),
        who.subject,
        who.tenant,
        ",".join(sorted(who.roles)),
        ",".join(who.groups),
        _state(key, now),
        key.label,
    )


def _state(key: ApiKey, now: float) -> Text:
    if key.revoked_at is not None:
        return Text(f"revoked {ago(key.revoked_at, now)}", style="red")
    if key.expires_at is None:
        return Text("never expires", style="yellow")
    if key.is_valid(now):
        return Text(f"expires {ago(key.expires_at, now)}", style="green")
    return Text(f"expired {ago(key.expires_at, now)}", style="red")
