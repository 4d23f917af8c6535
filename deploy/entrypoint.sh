#!/bin/sh
# What a container or unit does, by its first word. Every program finds its keys in $KEYS_ROOT/<who it is>, where
# "migrate" puts them (manage.py hand_out_keys).
set -eu
KEYS_ROOT=${KEYS_ROOT:-/keys}

keys() {
    DATABASE_URL=$(cat "$KEYS_ROOT/$1/database_url")
    REDIS_URL=$(cat "$KEYS_ROOT/$1/redis_url")
    export DATABASE_URL REDIS_URL
    if [ -r "$KEYS_ROOT/$1/secret_key" ]; then
        SECRET_KEY=$(cat "$KEYS_ROOT/$1/secret_key")
        export SECRET_KEY
    fi
}

# Nobody looks at a mailbox before what a power cut took was made good.
serves_mail() {
    keys "$1"
    python -m mailcore.delivery.recovery
}

case ${1:-} in
postgres)
    export KEYS="$KEYS_ROOT/admin"
    exec python -m mailadmin.appliance.serve postgres
    ;;
redis)
    export KEYS="$KEYS_ROOT/redis"
    exec python -m mailadmin.appliance.serve redis
    ;;
migrate)
    export KEYS="$KEYS_ROOT/admin"
    if [ -z "${DATABASE_URL:-}" ]; then
        DATABASE_URL=postgresql://mailkeep:$(cat "$KEYS/database_password")@$DB_HOST:$PG_PORT/mailkeep
    fi
    if [ -z "${REDIS_URL:-}" ]; then
        REDIS_URL=redis://:$(cat "$KEYS_ROOT/redis/redis_password")@$REDIS_HOST:$REDIS_PORT/0
    fi
    export DATABASE_URL REDIS_URL
    python -m mailadmin.appliance.first_steps
    SECRET_KEY=$(cat "$KEYS/secret_key")
    export SECRET_KEY
    python manage.py prepare_appliance ${PREPARE_OPTIONS:-}
    exec python manage.py hand_out_keys "$KEYS_ROOT"
    ;;
dump)
    # A backup of the database on standard output: docker compose run --rm -T migrate dump > mailkeep.sql
    PGPASSWORD=$(cat "$KEYS_ROOT/admin/database_password")
    export PGPASSWORD
    exec "$(python -c 'from mailadmin.appliance.embedded import postgres_client as c; print(c("pg_dump"))')" \
        --host "$DB_HOST" --port "$PG_PORT" --username mailkeep mailkeep
    ;;
web)
    serves_mail web
    set -- --preload --no-control-socket --workers "${WEB_WORKERS:-2}" --worker-class gthread --threads 4 \
        --worker-tmp-dir /tmp --graceful-timeout 5 --timeout 60 --keep-alive 20 --log-level warning
    if [ -n "${WEB_TLS:-}" ]; then
        set -- "$@" --certfile "$TLS_CERT" --keyfile "$TLS_KEY"
    fi
    exec gunicorn mailadmin.wsgi --bind "$LISTEN_ADDRESS:$WEB_PORT" "$@"
    ;;
smtpd)
    serves_mail smtpd
    exec python -m smtpd.service --worker "${WORKER:-1}"
    ;;
accessd)
    serves_mail accessd
    exec python -m accessd.service --worker "${WORKER:-1}"
    ;;
scheduler)
    serves_mail queue
    exec python manage.py run_scheduler
    ;;
worker)
    serves_mail queue
    exec celery --quiet --skip-checks -A mailadmin worker --concurrency "${QUEUE_WORKERS:-4}" \
        --prefetch-multiplier 1 --loglevel WARNING --without-gossip --without-mingle --without-heartbeat
    ;;
manage)
    # Any command of manage.py, in the web container: docker compose exec web deploy/entrypoint.sh manage mailq
    keys web
    shift
    exec python manage.py "$@"
    ;;
probe)
    # Health checks: "probe PROGRAM", asked inside the program's own container.
    case $2 in
    postgres) exec python -m mailadmin.appliance.probe port PG_PORT ;;
    redis) exec python -m mailadmin.appliance.probe port REDIS_PORT ;;
    web) exec python -m mailadmin.appliance.probe web ;;
    smtpd) exec python -m mailadmin.appliance.probe port SMTP_PORT ;;
    accessd) exec python -m mailadmin.appliance.probe port IMAP_PORT ;;
    *)
        keys queue
        exec python -m mailadmin.appliance.probe reported "$2"
        ;;
    esac
    ;;
*)
    exec "$@"
    ;;
esac
