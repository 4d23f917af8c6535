"""What strace wrote -> calls with a beginning and an end, in the order in which the kernel took and answered them.

Other threads' calls may lie between the two; only what ended before something else began is certainly earlier.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Everything that can change a file or a name, move an offset, or talk to the database. io_uring is here to be noticed.
TRACED = (
    "%file,%desc,%network,sync,io_uring_setup,io_uring_enter,io_uring_register,process_vm_writev,copy_file_range,splice"
)
_LINE = re.compile(r"(\d+)\s+(.*)")
_UNFINISHED = re.compile(r"(.*?)\s*<unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(.*)", re.DOTALL)
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. `start` and `end` are line numbers of the trace; a failed call has a negative `result`."""

    start: int
    end: int
    name: str
    arguments: tuple[str, ...]
    result: int

    def text(self, number: int) -> bytes:
        """An argument that is a string."""
        return literal(self.arguments[number])

    def number(self, number: int) -> int:
        """An argument that is a number."""
        return int(self.arguments[number], 0)


def literal(argument: str) -> bytes:
    """A string as strace writes it."""
    if not argument.startswith('"') or not argument.endswith('"'):
        raise ValueError(f"not a whole string: {argument[:80]}")
    value = ast.literal_eval("b" + argument)
    assert isinstance(value, bytes)
    return value


def read_trace(lines: Iterable[str]) -> list[Call]:
    """All calls that returned, by their end. A call that never returned is an error: the program ended well."""
    begun: dict[str, tuple[int, str]] = {}
    calls = []
    for at, line in enumerate(lines):
        found = _LINE.match(line.rstrip("\n"))
        if found is None or found[2].startswith(("+++", "---")):
            continue
        pid, text = found[1], found[2]
        start = at
        if unfinished := _UNFINISHED.match(text):
            begun[pid] = (at, unfinished[1])
            continue
        if resumed := _RESUMED.match(text):
            start, first = begun.pop(pid)
            text = first + resumed[2]
        if call := _CALL.match(text):
            result = -1 if call[3] == "?" else int(call[3], 0)
            calls.append(Call(start, at, call[1], tuple(_split(call[2])), result))
    return calls


def _split(arguments: str) -> Iterator[str]:
    """The arguments of a call, cut at commas that are not inside of a string or a bracket."""
    depth, start, position = 0, 0, 0
    while position < len(arguments):
        character = arguments[position]
        if character == '"':
            position = _end_of_string(arguments, position)
        elif character in _OPENING:
            depth += 1
        elif character in _OPENING.values():
            depth -= 1
        elif character == "," and not depth:
            yield arguments[start:position].strip()
            start = position + 1
        position += 1
    if arguments[start:].strip():
        yield arguments[start:].strip()


def _end_of_string(text: str, start: int) -> int:
    position = text.index('"', start + 1)
    while (position - len(text[:position].rstrip("\\"))) % 2:
        position = text.index('"', position + 1)
    return position
