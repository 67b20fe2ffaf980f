"""Draw where a transformer's time goes while eight clients ask it, as a flame graph; `py-spy` looks at it from outside.

python -m tests.benchmarks.scripts.flames docs/images/transformer-flames.svg
"""

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.benchmarks.serving import PATH, body, detector, peer, transformer
from tests.support.dataplane import Plane
from tests.support.load import measure

ROWS = 32
SECONDS = 20.0
RATE = 250


def main() -> None:
    """Write the picture to the path that is given."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        detector(folder / "detector")
        plane = Plane(folder)
        try:
            predictor, sink = peer(plane, "predictor"), peer(plane, "sink")
            served = transformer(plane, predictor, folder / "detector", sink.url)
            load = {"clients": 8, "seconds": SECONDS + 4}
            asking = threading.Thread(target=measure, args=(served.url + PATH, body(ROWS)), kwargs=load)
            asking.start()
            record = ["py-spy", "record", "--pid", str(served.process.pid), "--output", sys.argv[1]]
            record += ["--rate", str(RATE), "--duration", str(int(SECONDS)), "--native", "--gil"]
            subprocess.run(record, check=True)
            asking.join()
            still(Path(sys.argv[1]))
        finally:
            plane.stop()


def still(picture: Path) -> None:
    """Leave a picture without the tool's script; names and shares stay, as its tooltips."""
    drawn = re.sub(r"<script.*?</script>", "", picture.read_text(), flags=re.DOTALL)
    drawn = re.sub(r' onload="[^"]*"', "", drawn)
    drawn = re.sub(r'<text id="(details|unzoom|search|matched)"[^>]*>[^<]*</text>', "", drawn)
    picture.write_text(re.sub(r"py-spy record [^<]*", f"A transformer, eight clients, {ROWS} rows", drawn))


if __name__ == "__main__":
    main()
