#!/opt/archiver/bin/python -I
"""Ask the daemon in this container for a path: exit 0 when it answers 200. `archiver-probe /readyz`

A probe from outside would need the token in its own configuration; this one reads it where the daemon does.
"""

import http.client
import os
import sys
from pathlib import Path

TOKEN = Path(os.environ.get("ARCHIVER_OPS_TOKEN_FILE", "/run/secrets/ops_token"))


def main() -> int:
    """Answer the exit code, and say what the daemon said when it is not well."""
    headers = {"Authorization": f"Bearer {TOKEN.read_text('utf-8').strip()}"} if TOKEN.exists() else {}
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("ARCHIVER_OPS_PORT", "8321")), timeout=4)
    try:
        connection.request("GET", sys.argv[1] if sys.argv[1:] else "/healthz", headers=headers)
        answer = connection.getresponse()
        text = answer.read(4096).decode(errors="replace")
    except OSError as error:
        text, status = str(error), 0
    else:
        status = answer.status
    finally:
        connection.close()
    if status != 200:
        sys.stdout.write(f"{status} {text}\n")
    return int(status != 200)


if __name__ == "__main__":
    raise SystemExit(main())
