"""`python -m tests.servers`: start MongoDB and Kafka, print the settings that use them, and wait for Ctrl-C."""

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.servers.broker import Broker
from tests.servers.mongod import MongoServer


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; what is stored in the meantime is gone then."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="icefloe-servers-") as folder,
        MongoServer(Path(folder) / "mongod") as mongod,
        Broker(Path(folder) / "kafka") as broker,
    ):
        sys.stdout.write(
            f"export ICEFLOE_STORE='{mongod.uri()}'\n"
            f"export ICEFLOE_EVENTS='kafka://{broker.address}'\n"
            "# Ctrl-C ends them\n"
        )
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
