"""What every load begins and ends with: who the users are, the event loop, the line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import Coroutine
from typing import Any


def user(args: Namespace, number: int) -> str:
    """Address and login of a user; after the last one comes the first."""
    return args.user_pattern.format(args.first_user + number % args.users)


def report(args: Namespace, result: dict[str, Any], text: str) -> None:
    """JSON on standard output, words for people on standard error."""
    result = {"command": args.command, "label": args.label, "loop": args.loop_name, **result}
    print(f"{args.command}: {text}", file=sys.stderr)
    print(json.dumps(result), flush=True)


def loop_name(args: Namespace) -> str:
    """The event loop there is."""
    if not args.no_uvloop:
        try:
            import uvloop  # noqa: F401
        except ImportError:
            pass
        else:
            return "uvloop"
    return "asyncio"


def loop_run(args: Namespace, coroutine: Coroutine[Any, Any, None]) -> None:
    """To its end."""
    if args.loop_name == "uvloop":
        import uvloop

        uvloop.run(coroutine)
    else:
        asyncio.run(coroutine)
