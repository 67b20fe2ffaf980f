"""One real prediction through an arm: the only proof that it can answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from leeboard.api.errors import TransientError
from leeboard.contract.registry import Row
from leeboard.contract.serving import (
    HEADER_PURPOSE,
    STATUS_ALL_REFUSED,
    V1_OUT_OF_DISTRIBUTION,
    V2_FLAG_TENSOR,
)

_AWAY = frozenset({httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})


class HttpArms:
    """Asks arms over HTTP.

    Args:
        timeout: Longest wait for an answer, seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._client = httpx.AsyncClient(timeout=timeout, headers={HEADER_PURPOSE: "probe"})

    async def predict(self, address: str, model: str, protocol: str, rows: Sequence[Row]) -> str | None:
        """Ask for one real prediction, which is neither logged nor counted.

        An answer that refuses rows for being out of distribution is an answer.

        Args:
            address: http://host[:port] of the arm's transformer.
            model: Public name of the model.
            protocol: v1 or v2.
            rows: What to predict: values by column, or in the order of the signature.

        Returns:
            None when every row was answered, else what is wrong with the answer, in a sentence.

        Raises:
            TransientError: Nobody answers, or only something in front of the model that says it is away.
        """
        body: dict[str, Any]
        path, body = f"/v2/models/{model}/infer", {"inputs": tensors(rows)}
        if protocol == "v1":
            path, body = f"/v1/models/{model}:predict", {"instances": list(rows)}
        url = address.rstrip("/") + path
        try:
            answer = await self._client.post(url, json=body)
        except httpx.HTTPError as error:
            raise TransientError(f"{url} does not answer ({type(error).__name__})") from error
        except httpx.InvalidURL as error:
            raise TransientError(f"{url} is no address") from error
        except (TypeError, ValueError) as error:
            return f"the example rows cannot be sent as JSON ({error}): log the model with finite numbers and texts"
        complaint = _complaint(url, answer, protocol, len(rows))
        if complaint is not None and answer.status_code in _AWAY:
            raise TransientError(complaint)
        return complaint

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def tensors(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as v2 input tensors: one per column, or one of two dimensions for rows without column names."""
    named = [row for row in rows if isinstance(row, dict)]
    if named:
        return [_tensor(name, [len(named)], [row.get(name) for row in named]) for name in named[0]]
    flat = [value for row in rows for value in row]
    return [_tensor("input-0", [len(rows), len(flat) // max(len(rows), 1)], flat)]


def _tensor(name: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": _datatype(data), "data": data}


def _datatype(values: Sequence[Any]) -> str:
    known = {type(value) for value in values if value is not None}
    if known == {bool}:
        return "BOOL"
    if known == {int}:
        return "INT64"
    return "FP64" if known <= {int, float} else "BYTES"


def _complaint(url: str, answer: httpx.Response, protocol: str, rows: int) -> str | None:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"{url} answers {answer.status_code} without a JSON object: {answer.text[:200]!r}"
    if answer.status_code == STATUS_ALL_REFUSED and _tells_strangers(body):
        return None
    if answer.status_code != httpx.codes.OK:
        return f"{url} answers {answer.status_code}: {str(body.get('error', body))[:300]}"
    answered = _answered_rows(body, protocol)
    return None if answered == rows else f"{url} answers {answered} of {rows} rows"


def _tells_strangers(body: Mapping[str, Any]) -> bool:
    names = {output.get("name") for output in body.get("outputs") or () if isinstance(output, dict)}
    return V1_OUT_OF_DISTRIBUTION in body or V2_FLAG_TENSOR in names


def _answered_rows(body: Mapping[str, Any], protocol: str) -> int:
    if protocol == "v1":
        predictions = body.get("predictions")
        return len(predictions) if isinstance(predictions, list) else 0
    outputs = body.get("outputs")
    if not isinstance(outputs, list) or not outputs or not isinstance(outputs[0], dict):
        return 0
    shape = outputs[0].get("shape") or [0]
    return int(shape[0])
