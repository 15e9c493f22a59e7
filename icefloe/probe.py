"""`python -m icefloe.probe [PATH]`: ask the engine or relay of this container how it is; status 0 says well.

For container health checks, whose images have no curl. PATH is `/readyz` unless it is given; the port is
`ICEFLOE_HEALTH_PORT`. Only the standard library is imported: this runs every few seconds beside the engine.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

OK = 200
PATIENCE = 3.0  # seconds


def main(path: str = "/readyz") -> int:
    """Print what the answer says; 0 if it is 200, 1 if it is another or none, 2 if no port is set."""
    try:
        port = int(os.environ.get("ICEFLOE_HEALTH_PORT") or 0)
    except ValueError:
        port = 0
    if not 0 < port < 2**16:
        sys.stderr.write("ICEFLOE_HEALTH_PORT: set it to the port of the probes, here and for what is asked\n")
        return 2
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        words = answer.read(4096).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"nothing answers on port {port}: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{words}\n")
    return 0 if answer.status == OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
