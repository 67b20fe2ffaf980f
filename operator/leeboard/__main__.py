"""`python -m leeboard`: run the operator."""

import sys

from leeboard.app import CannotStartError, run
from leeboard.settings import Settings


def main() -> int:
    """Run the operator as its environment says, and return the exit status."""
    try:
        run(Settings.from_environment())
    except (CannotStartError, ValueError) as error:
        sys.stderr.write(f"leeboard cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
