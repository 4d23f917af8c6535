"""A client for Marionette, the protocol by which Gecko programs are driven: JSON with its length in front, over TCP.

https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html. Only what a test of Thunderbird needs: a
session, and JavaScript run with the rights of the program itself.
"""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any

PROTOCOL = 3
_SCRIPT = """
CONSTANTS
const done = arguments[arguments.length - 1];
(async () => {
BODY
})().then(value => done({ value }), error => done({ error: `${error} ${error?.errors ?? ""} ${error?.stack}` }));
"""


class MarionetteError(Exception):
    """The program refuses a command, or the script failed."""


class Marionette:
    """One session. Scripts are bodies of async functions; their arguments are JSON values."""

    def __init__(self, port: int, *, script_seconds: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=script_seconds + 10)
        self._buffer, self._number = b"", 0
        hello = self._read()
        if hello["marionetteProtocol"] != PROTOCOL:
            raise MarionetteError(f"an unknown protocol: {hello}")
        self._command("WebDriver:NewSession", {})
        self._command("Marionette:SetContext", {"value": "chrome"})
        self._command("WebDriver:SetTimeouts", {"script": int(script_seconds * 1000)})

    def __enter__(self) -> Marionette:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def run(self, body: str, **names: Any) -> Any:
        """Run the body of an async function with these names as constants; returns what it returns."""
        constants = "".join(f"const {name} = arguments[0].{name};\n" for name in names)
        script = _SCRIPT.replace("CONSTANTS", constants).replace("BODY", body)
        answer = self._command("WebDriver:ExecuteAsyncScript", {"script": script, "args": [names], "sandbox": "system"})
        if answer["value"].get("error"):
            raise MarionetteError(answer["value"]["error"])
        return answer["value"].get("value")

    def quit(self) -> None:
        """End the program as a person would."""
        self._command("Marionette:Quit", {"flags": ["eAttemptQuit"]})

    def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        text = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        _, number, error, result = self._read()
        if error is not None or number != self._number:
            raise MarionetteError(f"{name}: {error}")
        return result

    def _read(self) -> Any:
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        text, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(text)

    def _more(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise MarionetteError("the program has hung up")
        self._buffer += data
