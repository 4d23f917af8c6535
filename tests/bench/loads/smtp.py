"""smtp: sessions x messages. Accepted msg/s, latency of a transaction."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from tests.bench.loads.meter import Meter, quantiles
from tests.bench.loads.options import sending_options as options
from tests.bench.loads.plan import Plan
from tests.bench.loads.running import report
from tests.bench.loads.smtp_client import send_all

__all__ = ["options", "run", "smtp_result", "smtp_words"]


async def run(args: Namespace) -> None:
    """Until all are accepted."""
    plan = Plan(args)
    meter = Meter(args.server_pid).start()
    await send_all(plan)
    out = smtp_result(plan)
    out.update(meter.stop(plan.accepted))
    report(args, out, smtp_words(out))


def smtp_result(plan: Plan) -> dict[str, Any]:
    """Of sending, for every load that sends."""
    args = plan.args
    wall = plan.last - plan.first
    return {
        "sessions": args.sessions,
        "messages": args.messages,
        "size": args.size,
        "recipients": args.recipients,
        "per_connection": args.per_connection,
        "pipeline": args.pipeline,
        "accepted": plan.accepted,
        "errors": sum(plan.errors.values()),
        "error_texts": dict(plan.errors.most_common(3)),
        "accept_s": round(wall, 3),
        "accepted_per_s": round(plan.accepted / wall, 1) if wall else None,
        "transaction": quantiles(plan.latency),
        "connect_to_ready": quantiles(plan.setup),
    }


def smtp_words(out: dict[str, Any]) -> str:
    """The same for people."""
    return (
        f"{out['accepted']}/{out['messages']} accepted in {out['accept_s']} s"
        f" = {out['accepted_per_s']} msg/s, transaction {out['transaction']},"
        f" errors {out['errors']} {out['error_texts'] or ''}"
    )
