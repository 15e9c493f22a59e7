"""`python -m icefloe.probe [PATH]`: ask the engine, relay or API of this container how it is; status 0 says well.

For container health checks, whose images have no curl. PATH is `/readyz` unless it is given; the port is
`ICEFLOE_HEALTH_PORT`, or if nothing answers there and it is set, `ICEFLOE_API_PORT`. Only the standard library is
imported: this runs every few seconds beside the engine.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

OK = 200
PATIENCE = 3.0  # seconds


def main(path: str = "/readyz") -> int:
    """Print what the answer says; 0 if it is 200, 1 if it is another or none, 2 if no port is set."""
    port = _port("ICEFLOE_HEALTH_PORT")
    if port is None:
        sys.stderr.write("ICEFLOE_HEALTH_PORT: set it to the port of the probes, here and for what is asked\n")
        return 2
    silent = []
    for number in filter(None, (port, _port("ICEFLOE_API_PORT"))):
        try:
            status, words = _asked(number, path)
        except (OSError, HTTPException) as error:
            silent.append(f"nothing answers on port {number}: {error}\n")
        else:
            sys.stdout.write(f"{words}\n")
            return 0 if status == OK else 1
    sys.stderr.writelines(silent)
    return 1


def _port(name: str) -> int | None:
    try:
        port = int(os.environ.get(name) or 0)
    except ValueError:
        return None
    return port if 0 < port < 2**16 else None


def _asked(port: int, path: str) -> tuple[int, str]:
    """The status and the words of an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode(errors="replace").strip()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
