#!/bin/sh
# Make the secrets of compose.yaml in deploy/compose/secrets: passwords of users of NATS and of the store, tokens.
# What is there stays, so it can be run again for a new version; an own container of the image does it.
#   deploy/compose/prepare.sh [IMAGE] [FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
image=${1:-${MARKETPRISM_IMAGE:-marketprism:0.1.0-full}}
folder=${2:-$here/secrets}

mkdir -p "$folder"
exec docker run --rm --network none --read-only --tmpfs /tmp --user 0:0 \
  --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --security-opt no-new-privileges:true \
  --volume "$folder:/secrets" --volume "$here/make_secrets.py:/make_secrets.py:ro" \
  --entrypoint /opt/marketprism/bin/python "$image" /make_secrets.py /secrets
