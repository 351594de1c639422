#!/usr/bin/env bash
# Starts, upgrades, rolls back, backs up and stops the system of compose.yml. See docs/operations.md.
set -euo pipefail
for folder in RAW_FOLDER BACKUPS; do # taken from where the command is run, not from here
    [[ -z ${!folder:-} ]] || export "$folder=$(realpath --canonicalize-missing "${!folder}")"
done
cd "$(dirname "$0")"

STATE=state.env # what serves: SERVING=a or b, and the images of both

usage() {
    cat <<END
deploy/stack.sh COMMAND
  up                  start everything; the first time, make secrets, forecasts and an API key
  deploy IMAGE        let another image of the API take over, without a lost request
  roll-back           let the one before take over again
  run COMMAND...      run a command in the trainer, such as: kedro run --env postgres --pipelines refresh
  backup              write everything to a new folder in backups/
  restore FOLDER      bring back a backup; the API is away meanwhile
  airflow             also start Airflow, on http://127.0.0.1:8080 (build its image first)
  logs [SERVICE...]   show what the services say
  down                stop everything; data, backups and secrets stay
END
}

if [[ -z ${COMPOSE:-} ]]; then
    if docker info >/dev/null 2>&1; then
        COMPOSE="docker compose"
    elif command -v podman-compose >/dev/null; then
        COMPOSE="podman-compose"
    else
        echo "Neither 'docker compose' nor podman-compose (1.6 or newer) is installed." >&2
        exit 1
    fi
fi
ENGINE=${COMPOSE%%[ -]*} # docker or podman
compose() { $COMPOSE --env-file "$STATE" --file compose.yml --profile upgrade --profile jobs --profile airflow "$@"; }

say() { echo "$(date +%H:%M:%S) $*"; }

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

fail() { say "$*" && exit 1; }

make_secret() { # make_secret NAME VALUE: unless it is there
    [[ ! -e secrets/$1 ]] || return 0
    say "Making deploy/secrets/$1"
    printf %s "$2" >"secrets/.$1.part"
    chmod 644 "secrets/.$1.part" # for the users of the containers; the folder lets nobody list it
    mv "secrets/.$1.part" "secrets/$1"
}

uses_own_postgres() { grep -qs '@postgres/' secrets/SALES_FORECAST_DATABASE_URL secrets/MLFLOW_BACKEND_STORE_URI; }

make_secrets() {
    mkdir -p secrets && chmod 711 secrets
    if [[ ! -e secrets/postgres_password ]] && uses_own_postgres; then
        fail "deploy/secrets/postgres_password is missing, but the database has it. Bring the file back; the password is also in deploy/secrets/SALES_FORECAST_DATABASE_URL, between ':' and '@'."
    fi
    make_secret postgres_password "$(random)"
    local password
    password=$(cat secrets/postgres_password)
    make_secret SALES_FORECAST_DATABASE_URL "postgresql://sales_forecast:$password@postgres/sales_forecast"
    make_secret MLFLOW_BACKEND_STORE_URI "postgresql+psycopg://sales_forecast:$password@postgres/mlflow"
    make_secret SALES_FORECAST_AB_SALT "$(random)"
    if [[ -e secrets/api_key && ! -e secrets/SALES_FORECAST_SIGNING_KEY ]]; then
        say "Versions that are registered already are not signed with the new key. Sign those that you vouch for: deploy/stack.sh run sales-forecast models sign turnover 1 --env postgres --why ..."
    fi
    make_secret SALES_FORECAST_SIGNING_KEY "$(random)"
    make_secret grafana_password "$(random)"
}

check_secrets() {
    local name
    for name in postgres_password SALES_FORECAST_DATABASE_URL MLFLOW_BACKEND_STORE_URI SALES_FORECAST_AB_SALT SALES_FORECAST_SIGNING_KEY api_key; do
        [[ -s secrets/$name ]] || fail "deploy/secrets/$name is missing. Bring it back, or make what was never there: deploy/stack.sh up"
    done
}

check_raw_folder() {
    [[ -d ${RAW_FOLDER:-../data/01_raw} ]] || fail "There is no folder ${RAW_FOLDER:-data/01_raw}. RAW_FOLDER names the folder of the raw files."
}

pinned() { # pinned IMAGE: a name that goes on meaning this image when IMAGE is built anew
    local id name
    id=$($ENGINE image inspect --format '{{.Id}}' "$1" 2>/dev/null) ||
        { $ENGINE pull --quiet "$1" >/dev/null 2>&1 && id=$($ENGINE image inspect --format '{{.Id}}' "$1"); } ||
        return 1
    id=${id#sha256:}
    name=localhost/sales_forecast/api:pinned-${id:0:12}
    $ENGINE tag "$1" "$name"
    echo "$name"
}

state() { # writes the state whole: state SERVING IMAGE_A IMAGE_B
    printf 'SERVING=%s\nAPI_A=%s\nAPI_B=%s\n' "$@" >"$STATE.part"
    mv "$STATE.part" "$STATE"
}

until_ready() { # until_ready SERVICE SECONDS COMMAND...: repeats the command in the service until it succeeds
    local service=$1 end=$((SECONDS + $2))
    shift 2
    until compose exec -T "$service" "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            return 1
        fi
        sleep 0.5
    done
}

ASK=(python -c "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=4)") # in a server's own container

start() { # start SERVICE SECONDS COMMAND...
    say "Starting $1"
    compose up -d --no-deps "$1" >/dev/null
    until_ready "$@" || { say "$1 did not become ready in $2 s:" && compose logs --tail 20 "$1" && exit 1; }
}

job() { # job SERVICE: runs it to its end
    say "Running $1"
    compose run --rm --no-deps -T "$1" || { say "$1 failed; nothing that served before is changed." && exit 1; }
}

lead_to() { # lead_to a|b: names the API that the proxy asks from its next start or reload on
    echo "to api-$1:8000" >caddy/upstream.part
    mv caddy/upstream.part caddy/upstream
}

serve() { # serve a|b: starts it, waits until it is ready, and lets the proxy ask it
    start "api-$1" 120 "${ASK[@]}" http://127.0.0.1:8000/ready
    lead_to "$1"
}

up() {
    check_raw_folder
    make_secrets
    source "$STATE"
    if [[ $API_A == none ]]; then # the first time
        API_A=$(pinned "${API_IMAGE:-localhost/sales_forecast/api:latest}") || fail "There is no image of the API. Make it: make images"
        state a "$API_A" none
    fi
    if uses_own_postgres; then
        start postgres 60 pg_isready --quiet --username sales_forecast --host 127.0.0.1
    fi
    start mlflow 120 "${ASK[@]}" http://127.0.0.1:5000/health
    job processor
    job trainer
    if [[ ! -e secrets/api_key ]]; then
        say "Making an API key in deploy/secrets/api_key"
        compose run --rm --no-deps -T "api-$SERVING" sales-forecast keys create --env postgres "the first key" --scopes read,predict,admin >secrets/api_key.part
        mv secrets/api_key.part secrets/api_key
    fi
    serve "$SERVING"
    say "Starting proxy"
    compose up -d --no-deps proxy >/dev/null || fail "The proxy does not start. Is port ${PORT:-8000} taken? PORT=... chooses another one."
    until_ready "api-$SERVING" 60 "${ASK[@]}" http://proxy:8000/health ||
        { say "The proxy does not answer:" && compose logs --tail 20 proxy && exit 1; }
    say "The API answers on http://${ADDRESS:-127.0.0.1}:${PORT:-8000}; the key is in deploy/secrets/api_key."
}

take_over() { # take_over IMAGE
    check_secrets
    source "$STATE"
    local image
    image=$(pinned "$1") || fail "There is no image $1, here or in its registry. api-$SERVING goes on serving."
    local other=b
    [[ $SERVING == b ]] && other=a
    local before=$SERVING a=$API_A b=$API_B
    if [[ $other == a ]]; then API_A=$image; else API_B=$image; fi
    state "$before" "$API_A" "$API_B"
    trap 'state "$before" "$a" "$b"; compose stop "api-$other" >/dev/null 2>&1; fail "Interrupted; api-$before goes on serving."' INT TERM
    say "Starting api-$other from $1"
    if ! compose up -d --no-deps --force-recreate "api-$other" >/dev/null || ! until_ready "api-$other" 120 "${ASK[@]}" http://127.0.0.1:8000/ready; then
        say "api-$other did not become ready; api-$before goes on serving. It said:"
        compose logs --tail 20 "api-$other" || true
        compose stop "api-$other" >/dev/null || true
        state "$before" "$a" "$b"
        exit 1
    fi
    lead_to "$other"
    if ! compose exec -T proxy caddy reload --config /etc/caddy/Caddyfile --adapter caddyfile >/dev/null 2>&1; then
        lead_to "$before"
        compose stop "api-$other" >/dev/null || true
        state "$before" "$a" "$b"
        fail "The proxy does not take another API: deploy/stack.sh logs proxy. api-$before goes on serving."
    fi
    state "$other" "$API_A" "$API_B"
    trap - INT TERM
    say "api-$other serves. Stopping api-$before when it has answered what it was asked"
    compose stop "api-$before" >/dev/null
}

roll_back() {
    source "$STATE"
    local image=$API_A
    [[ $SERVING == a ]] && image=$API_B
    [[ $image != none ]] || fail "There is no version before."
    take_over "$image"
}

restore() {
    [[ -n ${1:-} ]] || { usage && exit 1; }
    check_secrets
    source "$STATE"
    [[ -d $BACKUPS/$(basename "$1") ]] || { say "There is no backup $1. Those that are there: $(ls "$BACKUPS" | tr '\n' ' ')" && exit 1; }
    say "Stopping the API and MLflow"
    compose stop "api-$SERVING" mlflow >/dev/null
    compose run --rm --no-deps -T backup sh /deploy/restore.sh "/backups/$(basename "$1")" || local failed=1
    start mlflow 120 "${ASK[@]}" http://127.0.0.1:5000/health
    serve "$SERVING"
    exit "${failed:-0}"
}

BACKUPS=${BACKUPS:-$PWD/backups}
export BACKUPS
mkdir -p "$BACKUPS"
[[ -e $STATE ]] || state a none none
case ${1:-} in
up) up ;;
deploy) [[ -n ${2:-} ]] || { usage && exit 1; } && take_over "$2" ;;
roll-back) roll_back ;;
run) shift && check_raw_folder && compose run --rm --no-deps -T trainer "$@" ;;
backup) compose run --rm --no-deps -T backup ;;
restore) restore "${2:-}" ;;
airflow) compose up -d --no-deps airflow >/dev/null &&
    until_ready airflow 180 "${ASK[@]}" http://127.0.0.1:8080/api/v2/monitor/health &&
    compose exec -T airflow cat /airflow/simple_auth_manager_passwords.json.generated ;;
logs) shift && compose logs --tail 100 "$@" ;;
down) compose --profile monitoring --profile elk down ;;
*) usage && [[ ${1:-} == help ]] ;;
esac
