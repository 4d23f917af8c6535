# One image for every service; deploy/entrypoint.sh picks what a container is.
#   docker build --build-arg BASE=debian:bookworm-slim -t mailkeep .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /tmp/
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --quiet -r /tmp/requirements.txt

FROM ${BASE}
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends python3 ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10000 mailkeep \
    && useradd --uid 10000 --gid mailkeep --no-create-home --home-dir /var/lib/mailkeep mailkeep \
    # Named volumes take owner and mode from here when they are made.
    && for folder in /var/lib/mailkeep /var/lib/mailkeep/log /data /tls \
        /keys/admin /keys/redis /keys/web /keys/smtpd /keys/accessd /keys/queue; \
       do install -d -o mailkeep -g mailkeep -m 0700 $folder; done
COPY --from=packages /opt/venv /opt/venv
COPY . /app
WORKDIR /app
# PYTHONPATH: the standard library of Python 3.11 has a module called smtpd, and ours must come first.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=mailadmin.settings \
    MAIL_HOME=/var/lib/mailkeep \
    TLS_CERT=/tls/cert.pem \
    TLS_KEY=/tls/key.pem \
    STATIC_ROOT=/app/static \
    LISTEN_ADDRESS=0.0.0.0
RUN python -m compileall -q mailcore mailadmin smtpd accessd \
    && SECRET_KEY=only-while-building python manage.py collectstatic --noinput -v 0 \
    && ln -s /app/bin/sendmail /app/bin/mailkeep /app/bin/mailq /app/bin/newaliases /app/bin/postconf /usr/local/bin/
USER mailkeep
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["web"]
