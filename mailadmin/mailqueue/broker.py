"""kombu's Redis transport, except that a broker which is gone cannot stop the worker, and is found again soon.

When a connection breaks while a task runs, kombu 5.7 uses the channel of that connection once more: to put the task
back, and to acknowledge it when it is done. Both end in an AttributeError, and with it the worker ends. Here the first
is given up and the second is the connection error it should be, which Celery expects. The task itself does not matter:
its lease is done or ends, as the queue promises for any task that gets lost.
"""

from __future__ import annotations

from typing import Any

import kombu
import redis
from celery.app.amqp import AMQP
from kombu.transport import redis as transport

from mailcore.log import get_logger

# kombu waits two seconds longer each time, up to 30 s in which the broker is back and nobody takes its tasks.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 2.0

log = get_logger(__name__)


class QoS(transport.QoS):
    """Gives unacknowledged tasks back where there is still somebody to give them to."""

    def restore_unacked(self, client: Any = None) -> Any:
        try:
            return super().restore_unacked(client)
        except (OSError, redis.RedisError) as error:
            log.warning("tasks_not_given_back", tasks=len(self._delivered), error=str(error))
            self._delivered.clear()
            return None


class Channel(transport.Channel):
    """Says so when its connection is closed."""

    QoS = QoS

    def _connparams(self, *arguments: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise redis.ConnectionError("the connection of this channel was closed")
        return super()._connparams(*arguments, **options)


class Transport(transport.Transport):
    """Named in Celery's broker_transport; the URL stays redis://."""

    Channel = Channel


class Connection(kombu.Connection):
    """Looks for a lost broker at short intervals."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        pauses = {"interval_start": FIRST_PAUSE_S, "interval_step": 1.0, "interval_max": LONGEST_PAUSE_S}
        return super().ensure_connection(*arguments, **{**pauses, **options})


class Amqp(AMQP):
    """How Celery comes to such connections."""

    Connection = Connection
