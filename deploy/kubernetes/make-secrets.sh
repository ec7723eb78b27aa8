#!/bin/sh
# Makes what the overlays refer to and do not hold: an authority, certificates, users of NATS with their passwords, users of ClickHouse,
# and writes it as manifests to FOLDER/secrets.yaml. What is in FOLDER already stays. Keep FOLDER: who has it has everything.
#   sh make-secrets.sh FOLDER && kubectl apply -f FOLDER/secrets.yaml
# Needs openssl, kubectl and marketprism; asks no cluster.
set -eu
umask 077
folder=${1:?expected a folder, like: sh make-secrets.sh ./secrets}
namespace=${2:-marketprism}
mkdir -p "$folder"
cd "$folder"

token() { # NAME: a file with a password, made where there is none
  [ -s "$1" ] || openssl rand -hex 24 | tr -d '\n' >"$1"
}

authority() {
  [ -s ca.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=marketprism" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt 2>/dev/null
}

certificate() { # NAME DNS-NAMES: for a server, signed by the authority
  [ -s "$1.crt" ] && return
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$2" >"$1.ext"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

secret() { # NAME KEY=FILE…, or a folder, each file of which is a key
  name=$1
  shift
  for each; do
    set -- "$@" "--from-file=$each"
    shift
  done
  kubectl create secret generic "$name" --namespace "$namespace" --dry-run=client --output yaml "$@"
  echo ---
}

sum() { printf %s "$(cat "$1")" | openssl dgst -sha256 -r | cut -d' ' -f1 | tr -d '\n'; }

names() { # SERVICE POD…: each pod by its short and its whole name; OpenSSL takes no *.service
  service=$1
  shift
  for pod; do
    printf 'DNS:%s.%s,DNS:%s.%s.%s.svc.cluster.local,' "$pod" "$service" "$pod" "$service" "$namespace"
  done
}

authority
certificate nats "$(names nats nats-0 nats-1 nats-2)DNS:nats,DNS:nats.$namespace.svc,DNS:localhost,IP:127.0.0.1"
certificate clickhouse "$(names clickhouse-servers clickhouse-0-0 clickhouse-0-1 clickhouse-1-0 clickhouse-1-1)DNS:clickhouse,DNS:clickhouse.$namespace.svc"
for name in clickhouse-writer clickhouse-reader cluster-secret notifier-token grafana-admin; do token "$name"; done
# Made at the API gateway once it runs; Prometheus reads the metrics of the API with it.
[ -s metrics-key ] || printf none >metrics-key
marketprism nats accounts nats >/dev/null
sum clickhouse-writer >writer-sha256
sum clickhouse-reader >reader-sha256
printf 'https://market_writer:%s@clickhouse:8443' "$(cat clickhouse-writer)" >url
printf 'https://market_reader:%s@clickhouse:8443' "$(cat clickhouse-reader)" >read-url

{
  secret marketprism-authority ca.crt=ca.crt
  secret marketprism-nats-tls ca.crt=ca.crt tls.crt=nats.crt tls.key=nats.key
  secret marketprism-nats-accounts accounts.conf=nats/accounts.conf
  secret marketprism-nats-users nats/users
  secret marketprism-clickhouse-tls ca.crt=ca.crt tls.crt=clickhouse.crt tls.key=clickhouse.key
  secret marketprism-clickhouse writer-sha256=writer-sha256 reader-sha256=reader-sha256 cluster-secret=cluster-secret
  secret marketprism-store url=url read-url=read-url
  secret marketprism-monitoring notifier-token=notifier-token metrics-key=metrics-key grafana-admin=grafana-admin
  # Of a counter: the files password and auth-code in a folder of its name.
  for counter in ctp sopt; do
    if [ -d "$counter" ]; then secret "marketprism-$counter" "password=$counter/password" "auth-code=$counter/auth-code"; fi
  done
} >secrets.yaml
echo "written: $(pwd)/secrets.yaml"
