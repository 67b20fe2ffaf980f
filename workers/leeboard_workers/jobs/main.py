"""`leeboard-worker <kind>`: reads the request from the environment and answers it.

Exit status 0: there is a finished run for the request (a report that says Error is one). 1: the infrastructure failed,
the same request may be tried again. 2: there is no request to answer.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from leeboard.contract.jobs import REQUEST_VARIABLE, JobRequest
from leeboard.contract.kinds import REQUEST_BY_KIND

log = logging.getLogger("leeboard_workers.jobs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _end)
    try:
        request = read_request(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        log.error("%s", error)  # noqa: TRY400 (the sentence says all)
        return 2
    return answer(request)


def read_request(arguments: Sequence[str]) -> JobRequest:
    """Read the request document.

    Raises:
        ValueError: the command line names no job, or the environment holds no request for it.
    """
    if len(arguments) != 1 or arguments[0] not in REQUEST_BY_KIND:
        raise ValueError(f"usage: leeboard-worker <{'|'.join(REQUEST_BY_KIND)}>")
    text = os.environ.get(REQUEST_VARIABLE)
    if not text:
        raise ValueError(f"{REQUEST_VARIABLE} is not set: the operator writes the request document into it")
    try:
        return REQUEST_BY_KIND[arguments[0]].decode(text)
    except Exception as error:  # zlib, base64 and pydantic each have their own
        raise ValueError(f"{REQUEST_VARIABLE} holds no {arguments[0]} request: {error}") from error


def answer(request: JobRequest) -> int:
    """Answer a request and return the exit status."""
    os.environ["MLFLOW_TRACKING_URI"] = request.tracking_uri
    from leeboard_workers.jobs import frame, handlers  # noqa: PLC0415 (mlflow: usage errors need not wait for it)

    try:
        report = frame.work(request, handlers.handler_of(request), permanent=handlers.PERMANENT)
    except Exception:
        log.exception("the job failed and may be tried again")
        return 1
    if report is not None:
        log.info("%s: %s", report.outcome, report.message)
    return 0


def _end(signum: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
