"""What policy answers: yes, never, or not now; always with the name of the rule and its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mailcore.reply import Reply


@dataclass(frozen=True, slots=True)
class Decision:
    """A refusal with its reply, permanent (5xx) or temporary (4xx). `rule` is filled in by `decide`."""

    reply: Reply
    reason: str
    rule: str = ""


C = TypeVar("C")
Rule = Callable[[C], Decision | None]


def refuse(reply: Reply, reason: str) -> Decision:
    """A refusal; the reply decides whether the client may come again."""
    return Decision(reply, reason)


def decide(rules: Sequence[Rule[C]], context: C) -> Decision | None:
    """The first rule that has an opinion, under its name; None when all let it pass."""
    for rule in rules:
        decision = rule(context)
        if decision is not None:
            return decision if decision.rule else replace(decision, rule=rule.__name__)
    return None
