#!/usr/bin/env bash
# The release of TAG at GitHub, with its notes and what lies in dist. A draft first, so that nobody sees half of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
refuse() { echo "publish.sh: $*" >&2 && exit 2; }
[[ ${TAG:-} == v* ]] || refuse "TAG: expected v and a version, was '${TAG:-}'"
python3 deploy/release/release.py check "$TAG"
python3 deploy/release/release.py verify dist
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
python3 deploy/release/release.py notes "$TAG" >"$notes"
kind=()
[[ $TAG != *-* ]] || kind=(--prerelease)
gh release create "$TAG" --verify-tag --draft "${kind[@]}" --title "MarketPrism ${TAG#v}" --notes-file "$notes" dist/*
gh release edit "$TAG" --draft=false
