#!/usr/bin/env bash
# Images of this tree: `image.sh build` into the engine of this machine, `image.sh push` to the registry as IMAGE, of TAG, with
# SBOM and provenance beside them.
set -euo pipefail
cd "$(dirname "$0")/../.."
refuse() { echo "image.sh: $*" >&2 && exit 2; }
case ${1:-} in
  build)
    exec deploy/image/build.sh slim
    ;;
  push)
    [[ ${TAG:-} == v* ]] || refuse "TAG: expected v and a version, was '${TAG:-}'"
    [[ -n ${IMAGE:-} ]] || refuse "IMAGE: expected the name of the image at its registry, was none"
    name=${IMAGE,,}:${TAG#v}
    # By the name that overlays and Compose ask for, and by the version alone.
    deploy/image/build.sh slim "$name-slim" --tag "$name" --push --sbom=true --provenance=mode=max
    WHEELS=keep exec deploy/image/build.sh full "$name-full" --push --sbom=true --provenance=mode=max
    ;;
  *)
    refuse "expected build or push, was '${1:-}'"
    ;;
esac
