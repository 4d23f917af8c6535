"""The raw results, one JSON object per line: what an interrupted comparison goes on from and what the page is made of.

A line is a session (where and with what was measured), or an attempt at one row for one server in one run: its result,
or why there is none. Nothing is ever removed. A row that is measured again starts a new generation, and the page shows
the newest generation of each row; disturbed attempts and failures stay in the file and are counted on the page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `error` is empty when there is a result; `noisy`: other programs used the machine meanwhile."""

    row: str
    words: str
    label: str
    run: int
    generation: int
    session: str
    noisy: bool = False
    last: bool = True  # no further attempt follows in this run
    error: str = ""
    result: dict[str, Any] | None = None


class Journal:
    """The file, and what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions: dict[str, dict[str, Any]] = {}
        self.attempts: list[Attempt] = []
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(json.loads(line))

    def begin(self, facts: dict[str, Any]) -> str:
        """Note where and with what is measured from now on. Returns the name of the session."""
        name = f"{time.strftime('%Y-%m-%dT%H:%M:%S')}.{len(self.sessions) + 1}"
        self._write({"session": name, "facts": facts})
        return name

    def add(self, attempt: Attempt) -> None:
        """Keep an attempt. It is on the disk when this returns, so that a killed comparison loses one row at most."""
        self._write({"attempt": {name: getattr(attempt, name) for name in Attempt.__slots__}})

    def generation(self, row: str) -> int:
        """The newest generation of a row; 0 if it was never tried."""
        return max((attempt.generation for attempt in self.attempts if attempt.row == row), default=0)

    def newest(self, row: str) -> list[Attempt]:
        """All attempts of the newest generation."""
        generation = self.generation(row)
        return [attempt for attempt in self.attempts if (attempt.row, attempt.generation) == (row, generation)]

    def is_done(self, row: str, label: str, run: int, generation: int) -> bool:
        """Whether that run has a result and needs no further attempt. One that failed is tried again."""
        return any(
            attempt.last and not attempt.error
            for attempt in self.attempts
            if (attempt.row, attempt.label, attempt.run, attempt.generation) == (row, label, run, generation)
        )

    def superseded(self) -> dict[str, int]:
        """How many results of older generations there are, by row."""
        rows = dict.fromkeys(attempt.row for attempt in self.attempts)
        older = {row: sum(a.row == row and not a.error for a in self.attempts) for row in rows}
        return {
            row: count - current
            for row, count in older.items()
            if count > (current := sum(not a.error for a in self.newest(row)))
        }

    def sessions_of(self, attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
        """The facts of the sessions that attempts come from, each once, oldest first."""
        used = {attempt.session for attempt in attempts}
        return [facts for name, facts in self.sessions.items() if name in used]

    def _write(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "session" in line:
            self.sessions[line["session"]] = {"session": line["session"], **line["facts"]}
        else:
            self.attempts.append(Attempt(**line["attempt"]))
