"""An OIDC issuer on the loopback: real keys, real tokens, and a server whose answers a test chooses."""

import json
import threading
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "icefloe"

_MAKERS: dict[str, Any] = {
    "RS": lambda: rsa.generate_private_key(65537, 2048),
    "PS": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed": ed25519.Ed25519PrivateKey.generate,
}


@cache
def _key_of_all() -> Any:
    """The key of every issuer: it takes a while to find one."""
    return _MAKERS["RS"]()


class SigningKey:
    """A private key, by whose id its public part is published."""

    def __init__(self, kid: str, algorithm: str = "RS256", private: Any = None) -> None:
        self.kid = kid
        self.algorithm = algorithm
        maker = _MAKERS.get(algorithm) or _MAKERS[algorithm[:2]]
        self.private = private or maker()

    def public(self, **fields: Any) -> dict[str, Any]:
        """The public part, as a key set has it."""
        kinds: dict[str, Any] = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}
        told = kinds[self.algorithm[:2]].to_jwk(self.private.public_key(), as_dict=True)
        return {**told, "kid": self.kid, "use": "sig", **fields}


class Issuer:
    """A server with a discovery document and a key set."""

    def __init__(self) -> None:
        self.key = SigningKey("one", private=_key_of_all())
        self.keys: list[dict[str, Any]] = [self.key.public()]
        self.served: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.delay = 0.0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                time.sleep(issuer.delay)
                status, content = issuer.answer(self.path)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{issuer.url}/elsewhere")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(ConnectionError):  # who asked has heard enough
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="issuer")
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> tuple[int, bytes]:
        """What it answers: what a test says, or what an issuer does."""
        if path in self.served:
            return self.served[path]
        found = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": self.keys},
            "/elsewhere": {"keys": [SigningKey("one").public()]},
        }
        return (200, json.dumps(found[path]).encode()) if path in found else (404, b"")

    def token(self, *, signed: SigningKey | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token of ada's, unless claims say otherwise; a claim that is None is left out."""
        key, now = signed or self.key, time.time()
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "exp": now + 300,
            "iat": now,
            "nbf": now,
            "sub": "4711",
            "email": "ada@example.org",
            "roles": ["viewer"],
            "groups": ["stewards"],
            **claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        named = {name: value for name, value in {"kid": key.kid, **(headers or {})}.items() if value is not None}
        return jwt.encode(told, key.private, key.algorithm, named)

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
