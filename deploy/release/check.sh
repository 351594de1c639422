#!/usr/bin/env bash
# What a release would do, as far as it goes without a runner, a registry and a cluster. After make wheel and docs.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=.venv-release/bin
folder=build/release
mkdir -p "$folder"
left_out=()

check() { # runs a command, shows its output if it fails, and prints its seconds
    local name=$1 began=$SECONDS
    shift
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; echo "== $name: failed"; exit 1; }
    echo "== $name: $((SECONDS - began)) s"
}

check "workflows, security (zizmor)" "$tools/zizmor" --offline --no-progress .github
check "workflows, actions and scripts (jactionlint)" "$tools/jactionlint"
command -v shellcheck >/dev/null || left_out+=("scripts in workflows: no shellcheck on PATH")
check "dependabot (schema)" "$tools/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml

if [ -f deploy/images/Dockerfile ]; then
    # DL3008: Debian keeps only the newest version of a package, so that a pinned one cannot be built for long
    check "images (hadolint)" "$tools/hadolint" --ignore DL3008 deploy/images/Dockerfile
else
    left_out+=("images: there is no deploy/images/Dockerfile")
fi
mapfile -t compose < <(git ls-files | grep -E '(^|/)compose[^/]*\.ya?ml$')
if ((${#compose[@]})); then
    check "compose (schema)" "$tools/check-jsonschema" --builtin-schema vendor.compose-spec "${compose[@]}"
fi
if kubectl version --client --output json 2>/dev/null | grep -q '"kustomizeVersion": "v5'; then
    check "Kubernetes (kustomize, schemas)" deploy/k8s/check.sh
else
    left_out+=("Kubernetes: no kubectl 1.27 or newer on PATH")
fi

for image in api pipeline tracking; do
    check "packages of the image $image (CycloneDX)" "$tools/cyclonedx-py" requirements \
        --output-file "$folder/$image.cdx.json" "deploy/images/$image.lock"
done
left_out+=("images, their vulnerabilities, signatures and deployment: docs/releases.md")

echo "Checked. Lists of packages: $folder; site: build/site; wheel: dist."
printf 'Not checked here: %s\n' "${left_out[@]}"
