"""`leeboard-collector`: serve until SIGTERM."""

import os

from leeboard_workers.serving.asgi import Held, serve
from leeboard_workers.serving.collector.application import Collector
from leeboard_workers.serving.collector.bodies import MAX_HELD_BYTES
from leeboard_workers.serving.collector.options import read_options


def main() -> None:
    """Serve until SIGTERM."""
    options, port = read_options(None, os.environ)
    serve(Collector(options), port, Held(MAX_HELD_BYTES))


if __name__ == "__main__":
    main()
