#!/bin/sh
# Any command as the service would run it: its user, its secrets, its folder. Installed as /usr/local/bin/archiver.
exec systemd-run --quiet --pipe --wait --collect --uid=archiver --gid=archiver \
  --property=LoadCredential=secret:/etc/archiver/secrets --working-directory=/var/lib/archiver \
  /opt/archiver/bin/archiver "$@"
