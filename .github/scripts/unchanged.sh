#!/usr/bin/env bash
# Whether the tree is what was committed: what is generated must have been committed with what it is made of.
set -euo pipefail
cd "$(dirname "$0")/../.."
changed=$(git status --porcelain)
if [[ -n $changed ]]; then
  printf 'expected generated files as they were committed, changed:\n%s\n' "$changed" >&2
  git --no-pager diff --stat >&2
  exit 1
fi
