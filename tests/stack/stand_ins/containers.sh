#!/usr/bin/env bash
# Prepares Podman where no registry can be reached and no daemon runs: settings of its own, and stand-ins, made from
# Debian's packages, for the images that deploy/ takes from a registry. Then runs the command that follows.
# Everything lies in $STAND_INS (250 MB for the base), which may be kept between runs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${STAND_INS:-/var/tmp/sales_forecast_stand_ins}
mkdir -p "$root"
cat >"$root/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$root/storage"
runroot = "$root/run"
END
cat >"$root/containers.conf" <<END
[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "$root/networks"
END
export CONTAINERS_STORAGE_CONF=$root/storage.conf CONTAINERS_CONF=$root/containers.conf
export ENGINE=podman COMPOSE=podman-compose BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker TMPDIR=${TMPDIR:-/var/tmp}
certificates=/etc/ssl/certs/ca-certificates.crt
export BUILD_OPTIONS="--network host --volume $certificates:$certificates:ro --env SSL_CERT_FILE=$certificates"

BASE=docker.io/library/python:3.11-slim-bookworm

make_base() { # Debian's Python where the genuine image has its own
    podman image exists "$BASE" && return
    local folder
    folder=$(mktemp -d)
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
        bookworm "$folder/base.tar"
    podman import --quiet --change 'CMD ["python3"]' "$folder/base.tar" "$BASE" >/dev/null
    rm -rf "$folder"
}

make_stand_in() { # make_stand_in NAME_OF_THE_IMAGE FOLDER
    podman image exists "$1" && return
    podman build --quiet $BUILD_OPTIONS --tag "$1" "$here/$2" >/dev/null
}

make_base
for each in ${WITH:-}; do
    make_stand_in "$(sed -n 's/^# In place of //p' "$here/$each/Dockerfile")" "$each"
done
exec "$@"
