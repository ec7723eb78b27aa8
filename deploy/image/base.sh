#!/bin/sh
# A base for the image where no registry is reached: Debian, its Python, libstdc++, certificates and tini, as one archive.
#   deploy/image/base.sh base.tar && docker import base.tar marketprism-base:bookworm
# Needs root and the package mmdebstrap. Documentation, other languages, perl's library and apt itself stay out.
set -eu
out=${1:?usage: base.sh OUT.tar [SUITE [MIRROR]]}
suite=${2:-bookworm}
mirror=${3:-http://deb.debian.org/debian}

# shellcheck disable=SC2016 # the hook is given the folder when it runs
exec mmdebstrap --quiet --variant=essential --include=ca-certificates,libstdc++6,python3-venv,tini \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/lib/apt "$1"/var/log/* "$1"/usr/lib/python3/dist-packages/* "$1"/usr/share/perl "$1"/usr/lib/*/perl "$1"/usr/lib/*/libperl.so*' \
  "$suite" "$out" "$mirror"
