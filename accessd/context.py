"""What every session of a process shares, made once in accessd.service."""

from __future__ import annotations

from dataclasses import dataclass, field

import redis

from accessd.file_watch import FileWatch
from accessd.imap.flag_tables import FlagTables
from accessd.limits import ConnectionLimits
from accessd.notifications import Hub
from accessd.recent_logins import RecentLogins
from mailcore.config.live import LiveConfig
from mailcore.directory.authenticate import Authenticator
from mailcore.directory.lookups import Directory
from mailcore.maillog.record import Recorder
from mailcore.offload import Offload
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage


@dataclass(frozen=True, slots=True)
class Context:
    """The services of one process. `redis` is for publishing from pool threads; event-loop code tells `hub`."""

    offload: Offload
    config: LiveConfig
    authenticator: Authenticator
    storage: Storage
    redis: redis.Redis
    recorder: Recorder
    directory: Directory
    hub: Hub
    files: FileWatch
    limits: ConnectionLimits
    journal: Journal | None = None
    flags: FlagTables = field(default_factory=FlagTables)
    recent_logins: RecentLogins = field(default_factory=RecentLogins)
