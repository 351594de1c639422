#!/usr/bin/env bash
# Renders the overlays and checks every field against the schemas of Kubernetes. Ends with 3 where a tool is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
validate=.venv-release/bin/kubernetes-validate
kubectl version --client --output json 2>/dev/null | grep -q '"kustomizeVersion": "v5' || {
    echo "no kubectl 1.27 or newer is here, so the overlays are not rendered and not checked"
    exit 3
}
[ -x "$validate" ] || { echo "kubernetes-validate is not here: make release-setup"; exit 3; }
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
for overlay in deploy/k8s/overlays/*/; do
    name=$(basename "$overlay")
    kubectl kustomize "$overlay" >"$folder/$name.yaml"
    "$validate" --strict --quiet "$folder/$name.yaml"
    echo "deploy/k8s/overlays/$name: $(grep -c '^kind: ' "$folder/$name.yaml") resources are as Kubernetes wants them"
done
