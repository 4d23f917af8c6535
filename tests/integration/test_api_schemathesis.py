"""The OpenAPI document against the API itself: whatever is sent, the answer is documented and never a 5xx.

In process, through WSGI; the objects of the seed are named by the natural keys that generated requests get to hear of.
"""

from datetime import timedelta

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from mailadmin.api.tokens import create_token
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.mailqueue import actions
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient
from mailadmin.trace.models import TraceEvent
from mailadmin.transport.models import MyNetwork, RelayHost, SenderRewrite, ServerSettings, TransportRule

QUEUE_ID = "3ABCDEFGHIJK"


@pytest.fixture
def recorder(monkeypatch) -> None:
    """Queue actions are recorded by a thread with a connection of its own; here nobody would see it."""

    class Recorder:
        def record(self, event: object) -> None:
            """Nothing to keep."""

    monkeypatch.setattr(actions, "_recorder", lambda dsn: Recorder())


@pytest.fixture
def seeded(django_database, recorder) -> None:
    now = timezone.now()
    domain = Domain.objects.create(name="example.org")
    Account.objects.create_superuser("root@example.org", None)
    Account.objects.create_user("ann@example.org", None)
    Alias.objects.create(address="sales@example.org", domain=domain, targets=["ann@example.org"])
    MyNetwork.objects.get_or_create(cidr="192.0.2.0/24")
    relay_host = RelayHost.objects.create(host="smtp.example.org", port=587)
    TransportRule.objects.create(match="example.com", relayhost=relay_host)
    SenderRewrite.objects.create(pattern="@old.example", replacement="@example.org")
    ServerSettings.objects.all().delete()
    ServerSettings.objects.create(myhostname="mx.example.org", mydomain="example.org", myorigin="example.org")
    message = QueueMessage.objects.create(
        queue_id=QUEUE_ID, sender="ann@example.org", size=1, received_at=now, expires_at=now + timedelta(days=5)
    )
    QueueRecipient.objects.create(
        message=message, address="a@b.example", original="a@b.example", destination="b.example", next_attempt_at=now
    )
    TraceEvent.objects.create(at=now, kind="accepted", queue_id=QUEUE_ID, sender="ann@example.org", session_id="S1")


@pytest.fixture
def token(seeded) -> str:
    return create_token("schemathesis", ["admin"])[1]


# Making the document needs no database, so that every operation is a test of its own.
schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", get_wsgi_application())


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_a_server_error(case: schemathesis.Case, token: str) -> None:
    response = case.call(headers={"Authorization": f"Bearer {token}"})

    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance, content_type_conformance])
