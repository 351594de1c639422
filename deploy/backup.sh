#!/bin/sh
# Writes the databases, MLflow's artefacts and the files of the runs to a new folder in $BACKUP_FOLDER, whole or not
# at all, and removes those that are older than $BACKUP_KEEP_DAYS. docs/operations.md says how to bring one back.
set -eu
secret() { # as sales_forecast.resolvers reads it
    if [ -f "${SALES_FORECAST_SECRETS_FOLDER:-/run/secrets}/$1" ]; then
        cat "${SALES_FORECAST_SECRETS_FOLDER:-/run/secrets}/$1"
    else
        printenv "$1" || true
    fi
}
dump() { # database address
    case $2 in
    postgresql*) pg_dump --format=custom --file="$part/$1.dump" "$(echo "$2" | sed 's/+psycopg//')" ;;
    sqlite:///*)
        [ -f "${2#sqlite:///}" ] || { echo "There is no database ${2#sqlite:///} ($3)." >&2 && exit 1; }
        python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))' \
            "${2#sqlite:///}" "$part/$1.sqlite"
        ;;
    *) echo "There is no backup of '$1': the secret or variable $3 names no database." >&2 && exit 1 ;;
    esac
}

folder=${BACKUP_FOLDER:-backups}/$(date -u +%Y-%m-%dT%H-%M-%SZ)
part=$folder.part
[ ! -e "$folder" ] || { echo "$folder is there already: one backup a second is enough." >&2 && exit 1; }
trap 'rm -rf "$part"' EXIT
mkdir -p "$part"
# The forecasts first: then every model that they name is in the backup of MLflow, which is made later.
dump sales_forecast "$(secret SALES_FORECAST_DATABASE_URL)" SALES_FORECAST_DATABASE_URL
dump mlflow "$(secret MLFLOW_BACKEND_STORE_URI)" MLFLOW_BACKEND_STORE_URI
tar -czf "$part/artifacts.tar.gz" -C "${ARTIFACTS_FOLDER:-mlruns}" .
tar -czf "$part/data.tar.gz" -C "${DATA_FOLDER:-data}" .
mv "$part" "$folder"
find "${BACKUP_FOLDER:-backups}" -mindepth 1 -maxdepth 1 -type d -name '20*Z' -mtime "+${BACKUP_KEEP_DAYS:-30}" -exec rm -rf {} +
echo "$folder ($(du -sh "$folder" | cut -f1))"
