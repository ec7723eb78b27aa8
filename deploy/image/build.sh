#!/bin/sh
# Build the image: collect wheels for this Python, then install them in the engine without any index.
#   deploy/image/build.sh slim|full [TAG [ARGUMENT-OF-docker-build…]]
# BASE: any image with the same Python (deploy/image/base.sh makes one); PYTHON: the interpreter whose wheels are
# collected; DOCKER: the engine's client; WHEELS=keep: dist/wheels has them; SOURCE_DATE_EPOCH: the time of every file.
set -eu
variant=${1:?usage: build.sh slim|full [TAG]}
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^VERSION = "\(.*\)"/\1/p' services/marketprism_services/wiring/shared.py)
tag=${2:-marketprism:$version-$variant}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
if [ $# -gt 2 ]; then shift 2; else set --; fi
# The compiled core, or no image: MARKETPRISM_COMPILED=0 asks for one without it.
export MARKETPRISM_COMPILED="${MARKETPRISM_COMPILED:-1}"

if [ "${WHEELS:-}" != keep ]; then
  rm -rf dist/wheels
  "${PYTHON:-python3}" -m pip wheel -q --disable-pip-version-check -c constraints.txt -w dist/wheels \
    '.[server,embedded,native,backup,nkeys,otlp]'
fi
DOCKER_BUILDKIT=1 exec "${DOCKER:-docker}" build --quiet --tag "$tag" --file deploy/image/Dockerfile \
  ${BASE:+--build-arg "BASE=$BASE"} \
  --build-arg "VARIANT=$variant" \
  --build-arg "VERSION=$version" \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
  --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
  --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" \
  "$@" .
