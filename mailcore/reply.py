"""SMTP replies with enhanced status codes (RFC 5321 section 4.2, RFC 2034, RFC 3463)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `text` may have several lines; `enhanced` may be "" (greeting, EHLO, 354, foreign replies)."""

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def is_temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600

    def lines(self) -> list[str]:
        """Each line as it stands after the code and its "-" or " "."""
        prefix = f"{self.enhanced} " if self.enhanced else ""
        return [prefix + line for line in self.text.splitlines() or [""]]

    def to_bytes(self) -> bytes:
        """The wire form; what is not ASCII is UTF-8 (RFC 6531 section 3.7.4)."""
        lines = self.lines()
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(f"{self.code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode()

    def __str__(self) -> str:
        return f"{self.code} " + " ".join(self.lines())
