"""The command line: `leeboard …`, also found by kubectl as `kubectl leeboard`; it holds no state."""

import sys
from pathlib import Path


def main() -> None:
    """Run a command; what cannot be done ends with one sentence and exit status 1."""
    # Only what is asked for is imported: `leeboard status` needs no Ray, and no MLflow.
    from leeboard.api.errors import NotYetError, SpecError, TransientError
    from leeboard.cli.errors import CommandError
    from leeboard.cli.program import program

    as_plugin = Path(sys.argv[0]).name == "kubectl-leeboard"
    try:
        program(prog_name="kubectl leeboard" if as_plugin else "leeboard")
    except (CommandError, NotYetError, SpecError, TransientError) as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
