"""Mail to walk over: the messages of tests/corpus, and those of MAIL_CORPUS when it is set."""

import os
from pathlib import Path

OWN = Path(__file__).parents[3] / "corpus"


def own(name):
    """One message of our own, as on disk."""
    return (OWN / name).read_bytes()


def files():
    """All of our own, and every *.eml below MAIL_CORPUS. An empty or missing directory there is an error."""
    found = sorted(OWN.glob("*.eml"))
    assert len(found) >= 20
    if directory := os.environ.get("MAIL_CORPUS"):
        more = sorted(Path(directory).rglob("*.eml"))
        assert more, f"MAIL_CORPUS={directory} has no *.eml"
        found += more
    return found


def messages():
    """(path, bytes) of each."""
    for path in files():
        yield path, path.read_bytes()
