#!/usr/bin/env bash
# Brings two images, named by digest, into the namespace of an overlay, and asks the service whether it still knows
# what it knew: rollout.sh staging|production API TRAINER [back]. With `back`, what runs now answers wrongly, and is
# not compared with. Names the images that ran before in GITHUB_OUTPUT. SALES_FORECAST_KEY is an API key; PROBE_ADDRESS
# replaces the tunnel to the service.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=$1 api=$2 trainer=$3 direction=${4:-}
namespace=sales-forecast-$environment
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

running() { # image of a resource, nothing where there is no such resource
    kubectl --namespace "$namespace" get "$1" --ignore-not-found --output "jsonpath={$2.spec.containers[0].image}"
}

probe() { # /health and /ready are not open to the internet, so the probe goes through a tunnel
    local address=${PROBE_ADDRESS:-http://127.0.0.1:18000} tunnel="" code=0
    if [ -z "${PROBE_ADDRESS:-}" ]; then
        kubectl --namespace "$namespace" port-forward service/api 18000:80 >/dev/null &
        tunnel=$!
    fi
    python3 deploy/smoke.py "$address" "$@" || code=$?
    [ -z "$tunnel" ] || kill "$tunnel"
    return "$code"
}

before_api=$(running deployment/api .spec.template)
before_trainer=$(running cronjob/refresh .spec.jobTemplate.spec.template)
{
    echo "before_api=$before_api"
    echo "before_trainer=$before_trainer"
} >>"${GITHUB_OUTPUT:-/dev/stdout}"

expected=()
if [ -n "$before_api" ] && [ "$direction" != back ]; then
    if probe --wait 10 --write "$folder/before.json"; then
        expected=(--expect "$folder/before.json")
    else
        echo "what ran before does not answer, so that nothing can be compared with it"
    fi
fi

python3 deploy/k8s/pin.py "$environment" "$api" "$trainer"
kubectl apply --kustomize "deploy/k8s/overlays/$environment"
kubectl --namespace "$namespace" rollout status deployment/api --timeout 300s
probe "${expected[@]}"
