#!/bin/sh
# Makes the secrets that compose.yaml wants, once, and asks for those that only you know. What is there is kept.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets && cd secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || printf '%s' "$2" >"$1"; }

keep postgres_password "$(random)"
keep catalog_dsn "postgresql://archiver:$(cat postgres_password)@postgres/archiver"
keep s3_access_key_id "$(random)"
keep s3_secret_access_key "$(random)"
keep ops_token "$(random)"
keep s3_identities "{\"identities\": [{\"name\": \"archiver\", \"actions\": [\"Admin\"], \"credentials\": [
  {\"accessKey\": \"$(cat s3_access_key_id)\", \"secretKey\": \"$(cat s3_secret_access_key)\"}]}]}"
if [ ! -s vobiz_auth_token ]; then
  printf 'Vobiz token: ' >&2
  read -r token
  keep vobiz_auth_token "$token"
fi
# The archiver runs as user 10001, PostgreSQL's image reads its password as user 999, the S3 server its keys as root.
if [ "$(id -u)" -eq 0 ]; then
  chown 10001 catalog_dsn s3_access_key_id s3_secret_access_key ops_token vobiz_auth_token
  chown 999 postgres_password
fi
