"""The settings of the API; where they come from is the command line's business."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr, field_validator

from api.wording import Spelled
from blocks.links import keys_of
from engine.limits import WORKFLOW_BYTES


class OidcSettings(BaseModel):
    """Whose bearer tokens are believed, and what their claims mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(description="`iss` of the tokens, exactly", examples=["https://login.example.org/realms/data"])
    audience: str = Field(description="`aud` of the tokens")
    jwks_url: str | None = Field(default=None, description="Where the keys are; by default the issuer's discovery says")
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"], ...] = (
        Field(default=("RS256", "ES256"), min_length=1, description="Algorithms that tokens may be signed with")
    )
    subject_claim: str = Field(default="email", description="The claim that is the person's name")
    roles_claim: str = Field(default="roles", description="The claim with the roles; a dot goes into an object")
    groups_claim: str = Field(default="groups", description="The claim with the groups")
    tenant_claim: str | None = Field(default=None, description="The claim with the tenant; by default it is `tenant`")
    tenant: str = Field(default="default", description="The tenant of everybody, if no claim says")
    roles: dict[str, Literal["admin", "builder", "requester", "approver", "viewer"]] = Field(
        default_factory=dict, description="Role of each value of the roles claim; a role's own name needs no entry"
    )
    leeway: float = Field(default=30.0, ge=0, le=300, description="Seconds by which clocks may differ")


class ApiSettings(BaseModel):
    """What `icefloe api` and `icefloe dev` need to know."""

    model_config = ConfigDict(frozen=True)

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(default=8080, ge=0, le=65535, description="Port that the API listens on")
    api_auth: Annotated[
        str, Spelled(r"^(none|keys|oidc|keys,oidc|oidc,keys)$", "should be `keys`, `oidc`, `keys,oidc` or `none`")
    ] = Field(
        default="keys",
        description="How requests are authenticated: `keys`, `oidc`, both, or `none` (on loopback alone)",
    )
    api_oidc: Json[OidcSettings] | None = Field(
        default=None, description="Whose tokens are believed: see docs/access.md"
    )
    api_cors_origins: Json[tuple[str, ...]] = Field(
        default=(), validate_default=False, description="Origins whose pages may call the API: a JSON array"
    )
    api_body_bytes: int = Field(
        default=WORKFLOW_BYTES + 256 * 1024, ge=1024, le=16 * 1024 * 1024, description="Bytes of a request's body"
    )
    api_proxies: Json[tuple[str, ...]] = Field(
        default=(),
        validate_default=False,
        description="Proxies that are believed who calls (`X-Forwarded-For`): a JSON array of addresses and networks",
    )
    api_rate: int = Field(
        default=6_000, ge=0, le=10_000_000, description="Requests a minute of each principal; 0 is no limit"
    )
    api_drain: float = Field(default=10.0, ge=0, le=3600, description="Seconds that requests get to end on SIGTERM")
    public_url: (
        Annotated[
            str,
            Spelled(r"^https?://[^\s/?#]+[^\s?#]*$", "should be an address such as https://icefloe.example.org"),
        ]
        | None
    ) = Field(default=None, description="Where people reach the API: for links")
    link_key: SecretStr | None = Field(
        default=None, description="Key of one-click links, 32 characters or more; an older one may follow after a comma"
    )

    @field_validator("api_proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"{error}: name addresses and networks, such as 10.0.0.0/8") from None
        return proxies

    @field_validator("api_cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and re.fullmatch(r"https?://[^\s/?#@]+", origin) is None:
                raise ValueError(
                    f"{origin!r} is no origin, such as https://portal.example.org (nothing behind the host)"
                )
        return origins

    @field_validator("link_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            keys_of(key.get_secret_value())
        return key
