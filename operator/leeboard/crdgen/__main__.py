"""`python -m leeboard.crdgen [--check]`: writes what is generated, or says what is stale; run by make."""

import argparse
import sys
from pathlib import Path

from leeboard.crdgen.files import stale, write
from leeboard.crdgen.kinds import KINDS, object_schema
from leeboard.crdgen.lint import findings


def main() -> int:
    """Lint the API, then write or check; the exit status is 1 when something is wrong or stale."""
    parser = argparse.ArgumentParser(prog="python -m leeboard.crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a generated file is stale")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")
    arguments = parser.parse_args()
    wrong = [
        finding
        for kind in KINDS
        for part in ("spec", "status")
        for finding in findings(object_schema(kind)["properties"][part], f"{kind.singular}.{part}")
    ]
    if arguments.check:
        wrong += [f"{path} is stale: run `make generate` and commit it" for path in stale(arguments.root)]
    elif not wrong:
        for path in write(arguments.root):
            sys.stdout.write(f"wrote {path}\n")
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
