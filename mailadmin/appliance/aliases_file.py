"""/etc/aliases as aliases(5) describes it: names, targets, continuation lines, comments, quotes. Pure.

Only addresses and :include: lists have a counterpart here. Files and commands are not: mail is not given to programs,
and they are returned as refused, with the reason, for a person to decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class AliasLine:
    """One alias of the file. `refused` are the targets that cannot be taken over, each with why."""

    name: str
    line: int
    targets: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def parse_aliases(text: str) -> list[AliasLine]:
    """Every alias, in the order of the file."""
    found = []
    for number, line in logical_lines(text):
        name, rest = _split_name(line)
        alias = AliasLine(name, number)
        if not name:
            alias.refused.append(f"{line}: no name before a colon")
        for target in split_targets(rest) if name else ():
            _add_target(alias, target)
        found.append(alias)
    return found


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what continues them, without comments and empty ones; each with the number of its first line."""
    number, collected = 0, ""
    for position, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and collected:
            collected += " " + line.strip()
            continue
        if collected:
            yield number, collected
        number, collected = position, line.strip()
    if collected:
        yield number, collected


def split_targets(text: str) -> list[str]:
    """The targets between commas that are not within quotes; the quotes themselves are dropped."""
    found, current, quoted, escaped = [], "", False, False
    for character in text:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            found.append(current.strip())
            current = ""
        else:
            current += character
    found.append(current.strip())
    return [target for target in found if target]


def _split_name(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, _, rest = line[1:].partition('"')
        return name.strip().lower(), rest.lstrip().removeprefix(":")
    name, separator, rest = line.partition(":")
    return (name.strip().lower(), rest) if separator else ("", line)


def _add_target(alias: AliasLine, target: str) -> None:
    if target.startswith("|"):
        alias.refused.append(f"{target}: mail is not given to programs")
    elif target.startswith("/"):
        alias.refused.append(f"{target}: mail is not written to files")
    else:
        # A leading backslash ends expansion; an account of that name ends it here too.
        alias.targets.append(target.removeprefix("\\"))
