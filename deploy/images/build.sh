#!/usr/bin/env bash
# Builds the images that are named, or processor, trainer, api and tracking, with Docker or Podman:
# deploy/images/build.sh [processor trainer api tracking airflow sagemaker lambda].
# They are tagged with the commit, with '-dirty' behind it if files differ from it, and 'latest'.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ -z ${ENGINE:-} ]]; then # a client of Docker may be there without its engine
    docker info >/dev/null 2>&1 && ENGINE=docker || ENGINE=$(command -v podman || true)
fi
[[ -n $ENGINE ]] || { echo "Neither docker nor podman is installed." >&2; exit 1; }
commit=$(git rev-parse HEAD)
dirty=false
[[ -z $(git status --porcelain) ]] || dirty=true
tag=${commit:0:12}
[[ $dirty == false ]] || tag=$tag-dirty

declare -A LOCKS=([processor]=pipeline [trainer]=pipeline [api]=api [tracking]=tracking [airflow]=pipeline [sagemaker]=pipeline [lambda]=pipeline)
for target in "${@:-processor}" $( (($#)) || echo trainer api tracking); do
    lock=${LOCKS[$target]:-}
    [[ -n $lock ]] || { echo "There is no image '$target'; there are ${!LOCKS[*]}." >&2; exit 1; }
    began=$SECONDS
    BUILDAH_FORMAT=docker $ENGINE build ${BUILD_OPTIONS:-} --file deploy/images/Dockerfile --target "$target" \
        --build-arg "COMMIT=$commit" --build-arg "DIRTY=$dirty" \
        --build-arg "LOCK=$(sha256sum "deploy/images/$lock.lock" | cut -d' ' -f1)" \
        --tag "localhost/sales_forecast/$target:$tag" --tag "localhost/sales_forecast/$target:latest" . >"${TMPDIR:-/tmp}/build.$target.log" 2>&1 || { tail -20 "${TMPDIR:-/tmp}/build.$target.log"; exit 1; }
    echo "localhost/sales_forecast/$target:$tag $((SECONDS - began)) s"
done
