"""A client that obeys ADDTO and REMOVEFROM has, at every NOOP, what a new search would find (RFC 5267 section 4.3)."""

import random
import re
from collections.abc import Iterable

import pytest

from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

STEPS = 80
SEARCHES = {
    b"uids": b"UID SEARCH RETURN (%b) UNSEEN",
    b"numbers": b"SEARCH RETURN (%b) FLAGGED",
    b"sorted": b"UID SORT RETURN (%b) (SUBJECT REVERSE SIZE) UTF-8 NOT FLAGGED",
    b"sortednumbers": b"SORT RETURN (%b) (REVERSE SUBJECT) UTF-8 UNSEEN",
}


def expand(text: bytes) -> list[int]:
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


class Follower:
    """What a client knows of the results it follows."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.results: dict[bytes, list[int]] = {}
        for tag, search in SEARCHES.items():
            client.send(tag + b" " + search % b"ALL UPDATE" + b"\r\n")
            answer = client.read_answer(tag)
            assert b" OK " in answer.tagged
            self.results[tag] = all_of(answer.untagged)

    def obey(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if expunged := re.match(rb"\* (\d+) EXPUNGE", line):
                number = int(expunged[1])
                for tag in (b"numbers", b"sortednumbers"):
                    assert number not in self.results[tag], "it should have left the result before"
                    self.results[tag] = [each - (each > number) for each in self.results[tag]]
            if update := re.match(rb'\* ESEARCH \(TAG "(\w+)"\)', line):
                self._update(update[1], line)

    def _update(self, tag: bytes, line: bytes) -> None:
        results = self.results[tag]
        for name, places in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
            words = places.split()
            for place, numbers in zip(words[::2], words[1::2], strict=True):
                for number in expand(numbers):
                    if name == b"REMOVEFROM":
                        assert place == b"0" or results[int(place) - 1] == number
                        results.remove(number)
                    elif place == b"0":
                        results.append(number)
                        results.sort()
                    else:
                        results.insert(int(place) - 1, number)

    def check(self) -> None:
        self.obey(self.client.ok(b"NOOP").untagged)
        for tag, search in SEARCHES.items():
            assert self.results[tag] == all_of(self.client.ok(search % b"ALL").untagged), tag


def all_of(lines: list[bytes]) -> list[int]:
    for line in lines:
        if line.startswith(b"* ESEARCH"):
            found = re.search(rb" ALL ([\d,:]+)", line)
            return expand(found[1]) if found else []
    raise AssertionError(lines)


def act(client: RawClient, chance: random.Random) -> list[bytes]:
    """Something that changes the mailbox, and what was told meanwhile."""
    told: list[bytes] = []
    match chance.randrange(6):
        case 0:
            subject = b"Subject: %b\r\n\r\n" % chance.choice([b"ants", b"Re: bees", b"cats", b"[l] ants"])
            told += client.append(b"INBOX", subject + b"x" * chance.randrange(4)).untagged
        case 1 | 2 | 3 | 4:
            sign, flag = chance.choice([b"+", b"-"]), chance.choice([rb"\Seen", rb"\Flagged", rb"\Deleted"])
            uids = b"%d:%d" % tuple(sorted(chance.choices(range(1, 40), k=2)))
            told += client.ok(b"UID STORE %b %bFLAGS.SILENT (%b)" % (uids, sign, flag)).untagged
        case _:
            told += client.ok(b"EXPUNGE").untagged
    return told


@pytest.mark.parametrize("seed", [5267, 1])
def test_whatever_happens_a_client_that_obeys_knows_the_results(imap: ImapServer, seed: int) -> None:
    chance, user = random.Random(seed), imap.account()
    mine, theirs = imap.login(user), imap.login(user)
    for client in (mine, theirs):
        client.ok(b"SELECT INBOX")
    for _ in range(5):
        theirs.append(b"INBOX", b"Subject: ants\r\n\r\n")
    mine.ok(b"NOOP")
    follower = Follower(mine)

    for _ in range(STEPS):
        if chance.random() < 0.4:
            follower.obey(act(mine, chance))
        else:
            act(theirs, chance)
        if chance.random() < 0.4:
            follower.check()
    follower.check()
