"""How far a long unit of work has come. It counts on its thread, who waits for it reads when he likes."""

from __future__ import annotations


class Progress:
    """`done` of `goal` messages; the goal grows when it turns out that more must be looked at."""

    __slots__ = ("done", "goal")

    def __init__(self) -> None:
        self.done = 0
        self.goal = 0

    def expect(self, messages: int) -> None:
        """So many more are to be looked at."""
        self.goal += messages

    def add(self, messages: int) -> None:
        """So many more have been."""
        self.done += messages
