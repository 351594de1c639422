#!/bin/sh
# Brings back what backup.sh has written to the folder $1: both databases of PostgreSQL, artefacts and files of runs.
# Nothing else may be using them meanwhile; deploy/stack.sh sees to that.
set -eu
address() { sed 's/+psycopg//' "${SALES_FORECAST_SECRETS_FOLDER:-/run/secrets}/$1"; }
unpack() { # archive folder: beside what is there, which goes only then
    rm -rf "$2/.restored" && mkdir "$2/.restored"
    tar -xzf "$1" -C "$2/.restored"
    find "$2" -mindepth 1 -maxdepth 1 ! -name .restored -exec rm -rf {} +
    find "$2/.restored" -mindepth 1 -maxdepth 1 -exec mv {} "$2" \;
    rmdir "$2/.restored"
}
load() { # dump address: all or nothing; tables that are not in the dump go
    {
        echo "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC;"
        cat "$1"
    } | psql --quiet --single-transaction --set=ON_ERROR_STOP=1 --dbname="$2" >/dev/null
}

for file in sales_forecast.dump mlflow.dump artifacts.tar.gz data.tar.gz; do
    [ -f "$1/$file" ] || { echo "$1 is no whole backup: $file is missing. Nothing is changed." >&2 && exit 1; }
done
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
for file in sales_forecast.dump mlflow.dump; do # read to the end
    pg_restore --no-owner --file="$scripts/$file.sql" "$1/$file" || { echo "$1/$file is damaged. Nothing is changed." >&2 && exit 1; }
done
for file in artifacts.tar.gz data.tar.gz; do
    tar -tzf "$1/$file" >/dev/null || { echo "$1/$file is damaged. Nothing is changed." >&2 && exit 1; }
done
load "$scripts/sales_forecast.dump.sql" "$(address SALES_FORECAST_DATABASE_URL)"
load "$scripts/mlflow.dump.sql" "$(address MLFLOW_BACKEND_STORE_URI)" ||
    { echo "The forecasts are back, but MLflow's database is not. Try again." >&2 && exit 1; }
unpack "$1/artifacts.tar.gz" "${ARTIFACTS_FOLDER:?}"
unpack "$1/data.tar.gz" "${DATA_FOLDER:?}"
echo "$1 is back."
