"""Compare accessd with Dovecot: `python -m tests.side_by_side [--quick] [--transcripts FOLDER] [dialogue ...]`.

Without names all dialogues are played. MAIL_CORPUS=folder adds the mail in that folder. Ends with 1 if there is a
difference that known*.toml do not explain, or an explanation whose difference is gone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fixtures_servers import ROOT
from tests.side_by_side.report import report
from tests.side_by_side.run import Outcome, dialogues, run
from tests.side_by_side.servers import both


def main() -> int:
    arguments = _arguments()
    wanted = dialogues(arguments.dialogue, quick=arguments.quick)
    with both(ROOT / ".pytest_cache" / "mailkeep") as servers:
        outcome = run(servers, wanted, whole=not arguments.dialogue, keep_transcripts=bool(arguments.transcripts))
    if arguments.transcripts:
        _write_transcripts(arguments.transcripts, outcome)
    print(report(outcome, verbose=arguments.verbose))
    return 0 if outcome.is_good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.side_by_side", description=__doc__)
    parser.add_argument("dialogue", nargs="*", help="a file of dialogues/, without .txt")
    parser.add_argument("--quick", action="store_true", help="only what make test plays")
    parser.add_argument("--verbose", action="store_true", help="the differences that are explained, too")
    parser.add_argument("--transcripts", type=Path, help="write what went over the wire into this folder")
    return parser.parse_args()


def _write_transcripts(folder: Path, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for (dialogue, server), lines in outcome.transcripts.items():
        (folder / f"{dialogue}.{server}").write_bytes(b"".join(lines))


if __name__ == "__main__":
    sys.exit(main())
