#!/bin/sh
set -eu
[ "$1" = postgres ] || exec "$@"
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
install -d -o postgres -g postgres -m 700 "$PGDATA"
install -d -o postgres -g postgres /var/run/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -o postgres -m 400 "$POSTGRES_PASSWORD_FILE" /tmp/password
    $as_postgres initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust \
        $POSTGRES_INITDB_ARGS "$PGDATA" >/dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    $as_postgres pg_ctl --silent --wait --options="-c listen_addresses=''" start >/dev/null
    psql --quiet --username="$POSTGRES_USER" --dbname=postgres --command="CREATE DATABASE $POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        psql --quiet --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$file"
    done
    $as_postgres pg_ctl --silent --wait --mode=fast stop >/dev/null
fi
exec $as_postgres postgres -c listen_addresses='*'
