"""Questions to the directory: answered on the event loop if everything is cached, else on a pool thread.

A question is a plain function with a Directory and Lists as its last arguments. It is asked with a directory that
knows only the cache first; the first thing that is not in there sends the whole question to a thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mailcore.directory.lookups import AccountRecord, AliasRecord, Directory, Entry
from mailcore.routing.lists import Lists

T = TypeVar("T")


class NotCached(Exception):
    """The answer needs I/O."""


class CachedDirectory:
    """A Directory that never waits."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def entry(self, key: str) -> Entry:
        entry = self._directory.cached(key)
        if entry is None:
            raise NotCached(key)
        return entry

    def account(self, key: str) -> AccountRecord | None:
        return self.entry(key).account

    def alias(self, key: str) -> AliasRecord | None:
        return self.entry(key).alias

    def cached(self, key: str) -> Entry | None:
        return self._directory.cached(key)

    def aliases_to(self, target: str) -> frozenset[str]:
        raise NotCached(target)


class NoFiles:
    """Lists that are never read here."""

    def members(self, path: str) -> list[str]:
        raise NotCached(path)


class Lookup:
    """Asks questions of a directory."""

    def __init__(self, directory: Directory, lists: Lists, plain: Callable[..., Awaitable[Any]]) -> None:
        self._directory = directory
        self._lists = lists
        self._plain = plain
        self._cached = CachedDirectory(directory)
        self._no_files = NoFiles()

    async def ask(self, question: Callable[[Directory, Lists], T]) -> T:
        """The answer of `question(directory, lists)`."""
        try:
            return question(self._cached, self._no_files)
        except NotCached:
            answer: T = await self._plain(question, self._directory, self._lists)
            return answer
