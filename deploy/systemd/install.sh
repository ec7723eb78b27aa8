#!/usr/bin/env bash
# Puts MarketPrism on one machine with systemd, or a newer version over an older one. Settings, passwords and drop-ins that
# are there stay. Nothing is started but by --start.
#
#   install.sh --wheel marketprism-0.2.0-….whl [--extras server,backup] [--services "storage query …"] [--start]
#   install.sh --root DIR …    only puts files below DIR, for a package or an image; nobody has to be root
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly known="storage query api aggregator validator gateway monitor scheduler order data backtest notifier"

root="" wheel="" extras="server,backup" start=0
services="storage query api aggregator validator gateway monitor"

refuse() {
  echo "install.sh: $*" >&2
  exit 2
}

value() { # of an option that needs one
  [[ $# -ge 2 && -n $2 ]] || refuse "$1: expected a value, was none"
  printf '%s' "$2"
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --root) root=$(value "$@"); shift 2 ;;
    --wheel) wheel=$(value "$@"); shift 2 ;;
    --extras) extras=$(value "$@"); shift 2 ;;
    --services) [[ $# -ge 2 ]] || refuse "$1: expected names, or \"\" for NATS alone, was none"; services=$2; shift 2 ;;
    --start) start=1; shift ;;
    --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) refuse "expected --root, --wheel, --extras, --services, --start or --help, was '$1'" ;;
  esac
done
for service in $services; do
  [[ " $known " == *" $service "* ]] || refuse "--services: expected some of $known, was '$service'"
done
[[ -z $wheel || -f $wheel ]] || refuse "--wheel: expected a file that is there, was '$wheel'"
if [[ -n $root ]]; then
  [[ -z $wheel && $start = 0 ]] || refuse "--root: expected neither --wheel nor --start with it"
elif [[ $EUID -ne 0 ]]; then
  refuse "expected root, was $(id -un); --root DIR only puts files"
elif ! command -v systemctl >/dev/null; then
  refuse "expected systemd on this machine, found no systemctl"
fi

units=$root/etc/systemd/system settings=$root/etc/marketprism
newest_python() { # the first that is new enough; systems have an older one as python3, and another beside it
  local each
  for each in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$each" >/dev/null && "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      printf '%s' "$each"
      return
    fi
  done
  refuse "expected Python 3.11 or newer on this machine, found none"
}

put() { install -D -m 0644 "$here/$1" "$2"; }
put_once() { if [[ -e $2 ]]; then echo "kept $2"; else put "$1" "$2"; fi; }

put marketprism@.service "$units/marketprism@.service"
put marketprism-nats.service "$units/marketprism-nats.service"
put marketprism.target "$units/marketprism.target"
for dropin in "$here"/marketprism@*.service.d/*.conf; do
  folder=$(basename "$(dirname "$dropin")")
  install -D -m 0644 "$dropin" "$units/$folder/$(basename "$dropin")"
done
put marketprism.sysusers "$root/usr/lib/sysusers.d/marketprism.conf"
put_once marketprism.toml "$settings/marketprism.toml"
put_once nats.conf "$settings/nats/nats.conf"
put_once cluster.conf "$settings/nats/cluster.conf"
if [[ -n $root ]]; then
  echo "files are below $root; as root on the machine: systemd-sysusers, then install.sh without --root"
  exit 0
fi

systemd-sysusers /usr/lib/sysusers.d/marketprism.conf
# Secrets are read by systemd and given to the service they are for; users and rights belong to the NATS server.
install -d -m 0700 /etc/marketprism/secrets
chown -R marketprism-nats:marketprism-nats /etc/marketprism/nats
chmod 0700 /etc/marketprism/nats
# It may hold the store's password: then it is for root and the services alone.
chgrp marketprism /etc/marketprism/marketprism.toml
chmod g+r /etc/marketprism/marketprism.toml
if [[ -n $wheel ]]; then
  if [[ ! -x /opt/marketprism/venv/bin/python ]]; then
    python=$(newest_python)
    "$python" -m venv /opt/marketprism/venv
  fi
  /opt/marketprism/venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet "${wheel}[$extras]"
fi
[[ -x /opt/marketprism/venv/bin/marketprism ]] || refuse "expected /opt/marketprism/venv with MarketPrism; name its --wheel"
# Rights follow the version; passwords that are there stay.
runuser -u marketprism-nats -- /opt/marketprism/venv/bin/marketprism nats accounts /etc/marketprism/nats

systemctl daemon-reload
systemctl enable --quiet marketprism.target marketprism-nats.service
for service in $services; do systemctl enable --quiet "marketprism@$service.service"; done
if [[ $start = 1 ]]; then
  systemctl is-active --quiet marketprism-nats.service && systemctl reload marketprism-nats.service
  # The first node of a cluster is ready when the second one is there: nobody waits for that here.
  timeout 30 systemctl restart marketprism.target || echo "not ready yet: journalctl -u 'marketprism*' says what is waited for"
  systemctl --no-pager list-units --all 'marketprism*'
else
  echo "next: say in /etc/marketprism/marketprism.toml what the gateway reads, then systemctl start marketprism.target"
fi
