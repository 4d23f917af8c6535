"""A process that works on mailboxes until it is killed or done; prints a line for each thing that was promised.

python delivery_child.py deliver DATABASE_URL MAIL_HOME STORE NUMBER ACCOUNT...
"""

import sys
from pathlib import Path

from mailcore.delivery.batch import deliver_batch
from mailcore.identity import AccountRef
from mailcore.store.storage import Storage
from tests.contract.mailbox_support import a_message, a_spool, an_arrival, connect

BATCH = 7


def main() -> None:
    url, home, worker, *accounts = sys.argv[1:]
    owners = [AccountRef(int(number), address, store) for number, address, store in (a.split(",") for a in accounts)]
    storage, spool = Storage(Path(home) / "mail", hostname="mx.mail.test"), a_spool(Path(home))
    with connect(url) as conn:
        print("ready", flush=True)
        for number in range(10_000):
            subjects = [f"{worker}-{number}-{index}" for index in range(BATCH)]
            arrivals = [
                an_arrival(owners, ["x@elsewhere.test"] if index == 0 else [], a_message(subject, subject * 200 + "\n"))
                for index, subject in enumerate(subjects)
            ]
            answers = deliver_batch(conn, storage, spool, arrivals, 432000)
            promised = [s for s, answer in zip(subjects, answers, strict=True) if isinstance(answer, list)]
            print(" ".join(promised), flush=True)


main()
