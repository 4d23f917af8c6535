"""A small OAuth issuer on this machine: keys at an address, and access tokens signed with them."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "mail"


class OauthIssuer:
    """`url` is its name; `jwks_url` publishes the keys it has now. `asked` counts who wanted them; `moved_to`
    is where they are sent instead.
    """

    def __init__(self, port: int = 0) -> None:
        self.keys: dict[str, Any] = {}
        self.asked = 0
        self.broken = False
        self.moved_to = ""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                moved = issuer.moved_to if self.path == "/jwks" else ""
                self.send_response(302 if moved else 500 if issuer.broken else 200)
                if moved:
                    self.send_header("Location", moved)
                self.end_headers()
                self.wfile.write(issuer.jwks().encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.jwks_url = f"{self.url}/jwks"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def add_key(self, kid: str, algorithm: str = "RS256") -> None:
        """From now on it also signs with this one."""
        is_rsa = algorithm.startswith("RS")
        self.keys[kid] = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> str:
        """The public keys as a JWK set."""
        found = []
        for kid, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            found.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return json.dumps({"keys": found})

    def token(
        self, address: str | None, *, kid: str = "one", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """An access token; a claim of None is left out."""
        key = self.keys[kid]
        given = {"iss": self.url, "aud": AUDIENCE, "exp": int(time.time()) + 600, "email": address, **claims}
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        body = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(body, key, algorithm, {"kid": kid, **(headers or {})})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
