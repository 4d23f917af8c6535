"""The budgets of issue 3 as data, and whether a measured figure holds one.

A budget is a limit on one figure of some rows: a multiple of the peer's median in the same comparison, or an absolute
value. For a rate the figure must be at least the limit, for a cost at most; Figure.more_is_better says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCEPT = "SMTP accept, 20 sessions"
TO_MAILBOX = "SMTP to mailbox, 20 sessions"
RELAY = ("SMTP to sink (relay), 20 sessions", "SMTP to sink, 20 sessions, 100 per connection")
IMAP = ("IMAP, 1 connection, 10,000 messages", "IMAP, 4 connections, 10,000 messages each")
POP3 = ("POP3, 1 connection, 10,000 messages", "POP3, 4 connections, 10,000 messages each")
IDLE = "SMTP to IDLE notification"


@dataclass(frozen=True, slots=True)
class Budget:
    """`must` and `aim` are multiples of the peer's figure, or values in the figure's unit if `absolute`."""

    rows: tuple[str, ...]
    path: str
    must: float
    aim: float | None = None
    absolute: bool = False

    def limit_text(self, *, more_is_better: bool) -> str:
        """For people: at least twice the peer's, at most 300."""
        return f"{'≥' if more_is_better else '≤'} {self.must:,g}{'' if self.absolute else '×'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a budget on one row."""

    budget: Budget
    value: float  # the figure, or its multiple of the peer's
    held: bool
    reached_aim: bool

    def __str__(self) -> str:
        return "missed" if not self.held else "held, aim reached" if self.reached_aim else "held"


def _multiple(path: str, must: float, aim: float | None, *rows: str) -> Budget:
    return Budget(rows, path, must, aim)


def _value(path: str, must: float, aim: float | None, *rows: str) -> Budget:
    return Budget(rows, path, must, aim, absolute=True)


BUDGETS = (
    _multiple("accepted_per_s", 2, 3, ACCEPT),
    _multiple("accepted_per_s", 2.5, 4, f"{ACCEPT}, 100 per connection", "SMTP accept, the same, pipelined"),
    _multiple("accepted_per_s", 3, 5, f"{ACCEPT}, 64 KiB"),
    _multiple("delivered_per_s", 4, 7, TO_MAILBOX, f"{TO_MAILBOX}, 100 per connection"),
    _multiple("delivered_per_s", 8, 15, f"{TO_MAILBOX}, 10 recipients"),
    _multiple(
        "server.cpu_ms_per_msg",
        *(0.5, 0.25),
        *(TO_MAILBOX, f"{TO_MAILBOX}, 100 per connection", f"{TO_MAILBOX}, 10 recipients"),
    ),
    _multiple(
        "with_what_follows.cpu_ms_per_msg",
        *(0.5, 0.25),
        *(TO_MAILBOX, f"{TO_MAILBOX}, 100 per connection", f"{TO_MAILBOX}, 10 recipients"),
    ),
    _multiple("relayed_per_s", 2, 3, *RELAY),
    _value("transaction.p99_ms", 300, None, *RELAY),
    _multiple("phases.login.per_s", 5, 10, *IMAP),
    _multiple("phases.select.again.p50_ms", 1, None, *IMAP),
    _multiple("phases.flags.again.command_ms", 1.5, 1, *IMAP),
    _multiple("phases.envelope.again.command_ms", 1 / 2, 1 / 3, *IMAP),
    _multiple("phases.body.again.mb_per_s", 0.7, 1, *IMAP),
    _multiple("phases.search.header.again_ms", 1 / 2, None, *IMAP),
    _multiple("phases.search.text.again_ms", 1 / 20, None, *IMAP),
    _multiple("phases.store.single_per_s", 1, 2, *IMAP),
    _multiple("phases.store.bulk_msg_per_s", 1, 2, *IMAP),
    _multiple("phases.append.per_s", 1.5, 2, *IMAP),
    _multiple("msg_per_s", 0.7, 1, *POP3),
    _value("accept_to_exists.p50_ms", 10, None, IDLE),
    _value("accept_to_exists.p99_ms", 50, None, IDLE),
    _value("pss_mib_per_1000", 15, 8, "1,000 idle IMAP connections"),
    _value("held", 10_000, None, "10,000 idle IMAP connections"),
    _value("accept_to_exists.max_ms", 50, None, "10,000 idle IMAP connections"),
    _value("receive.pss_mib_each", 8, None, "4 messages of 50 MiB at once"),
    _value("serve.pss_mib_each", 8, None, "4 messages of 50 MiB at once"),
    _value("serve_slowly.pss_mib_each", 8, None, "4 messages of 50 MiB at once"),
)


def budget_of(row: str, path: str) -> Budget | None:
    """The budget on that figure, if there is one."""
    return next((budget for budget in BUDGETS if row in budget.rows and path == budget.path), None)


def judge(budget: Budget, ours: float, theirs: float | None, *, more_is_better: bool) -> Verdict | None:
    """None when there is nothing to compare with."""
    if not budget.absolute and not theirs:
        return None
    value = ours if budget.absolute or theirs is None else ours / theirs

    def within(limit: float | None) -> bool:
        return limit is not None and (value >= limit if more_is_better else value <= limit)

    return Verdict(budget, value, within(budget.must), within(budget.aim))
