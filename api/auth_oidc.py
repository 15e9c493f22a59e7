"""Bearer tokens of an OIDC issuer (RFC 9068, RFC 8725): signed JWTs, whose claims say who somebody is and may do.

    token ─► algorithm allowed? ─► key of the issuer ─► signature, iss, aud, exp, nbf, iat ─► claims ─► somebody

What a token says about how to check it is not believed: algorithms and keys are those of the settings.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import jwt

from api.auth_bearer import unauthenticated
from api.auth_names import BadNameError, checked
from api.auth_oidc_keys import KeySet, KeysUnavailableError, is_safe
from api.principal import Principal, Role
from api.problems import Problem
from api.settings import OidcSettings

_RETRY_SECONDS: Final = 5
_TRUE: Final = (True, "true")  # some issuers have texts here
_REASONS: Final[Mapping[type[jwt.PyJWTError], str]] = {  # the first that fits
    jwt.ExpiredSignatureError: "it has expired: get a new one",
    jwt.ImmatureSignatureError: "it is not valid yet (`nbf` or `iat`): a clock may be wrong",
    jwt.InvalidAudienceError: "it was made for another audience (`aud`)",
    jwt.InvalidIssuerError: "another issuer made it (`iss`)",
    jwt.InvalidIssuedAtError: "its `iat` is no time",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidKeyError: "its issuer's key is too weak to be believed",
    jwt.DecodeError: "it is damaged",
}


def refusal_of(settings: OidcSettings) -> str | None:
    """Why settings can't be used, if they can't."""
    for name, url in (("issuer", settings.issuer), ("jwks_url", settings.jwks_url)):
        if url is not None and not is_safe(url):
            return f"{name} must be an https URL (or http on loopback), so that nobody can put in keys of his own"
    return None


class OidcTokens:
    """Authenticates by the tokens of one issuer. To be used on one event loop."""

    def __init__(self, settings: OidcSettings, keys: KeySet | None = None) -> None:
        self._settings = settings
        self._keys = keys or KeySet(settings)

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Problem: nobody's, with why not (401), or the issuer's keys can't be fetched (503).
        """
        claims = await self._claims(token)
        told = self._settings
        if told.subject_claim == "email" and claims.get("email_verified", True) not in _TRUE:
            raise _refused("its `email` is not verified, so that anybody might have made it up")
        subject = _claim(claims, told.subject_claim)
        tenant = told.tenant if told.tenant_claim is None else _claim(claims, told.tenant_claim)
        groups = _texts(_claim(claims, told.groups_claim))
        try:
            return checked(subject, tenant, self._roles(claims), groups, via="oidc")
        except BadNameError as bad:
            raise _refused(f"its claims can't be used: {bad}") from None

    async def _claims(self, token: str) -> dict[str, Any]:
        """What a token says, once it is known to be true."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise unauthenticated("this is no token that is known here", error="invalid_token") from None
        told = self._settings
        algorithm = header.get("alg")
        if algorithm not in told.algorithms:
            raise _refused(f"it is not signed with {' or '.join(told.algorithms)}")
        try:
            key = await self._keys.key(header.get("kid"), algorithm)
        except KeysUnavailableError:
            sentence = "the keys of the identity provider can't be fetched at the moment: try again"
            headers = {"Retry-After": str(_RETRY_SECONDS)}
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "keys-unavailable", sentence, headers=headers) from None
        if key is None:
            raise _refused("its issuer has no such key (`kid`)")
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=told.audience,
                issuer=told.issuer,
                leeway=told.leeway,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.MissingRequiredClaimError as missing:
            raise _refused(f"it has no `{missing.claim}`") from None
        except jwt.PyJWTError as error:
            reason = next((said for kind, said in _REASONS.items() if isinstance(error, kind)), "it is not valid")
            raise _refused(reason) from None

    def _roles(self, claims: Mapping[str, Any]) -> list[str]:
        """The roles that the claim means; what it has besides is somebody else's business."""
        told = self._settings.roles
        found = _texts(_claim(claims, self._settings.roles_claim))
        return [told.get(one, one) for one in found if one in told or one in set(Role)]


def _refused(reason: str) -> Problem:
    return unauthenticated(f"this token is not accepted: {reason}", error="invalid_token")


def _claim(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or by the way through objects: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _texts(value: object) -> list[str]:
    """The texts in a claim: a list of them, or several with blanks between them, as `scope` has it."""
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
