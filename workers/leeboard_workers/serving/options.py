"""What the transformer is told: KServe's arguments and Leeboard's environment."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from leeboard.api.outofdistribution import OnDetection
from leeboard.contract import serving as contract
from leeboard_workers.serving.privacy import Privacy


@dataclass(frozen=True)
class Identity:
    """Whose arm this is."""

    namespace: str
    model_deployment: str
    version: str
    arm: str


@dataclass(frozen=True)
class Options:
    """What the transformer is told."""

    identity: Identity
    predictor_host: str
    predictor_model: str
    predictor_protocol: str
    predictor_timeout_seconds: float = 60.0
    detector_uri: str | None = None
    on_detection: OnDetection = OnDetection.FLAG
    tracking_uri: str = ""
    collector_url: str | None = None
    collector_token: str | None = None
    sample_percent: int = 100
    privacy: Privacy | None = None


def options_from(arguments: list[str] | None, environment: Mapping[str, str]) -> tuple[Options, int]:
    """Read KServe's arguments and Leeboard's environment; return the options and the port."""
    parser = argparse.ArgumentParser(prog="leeboard-transformer", description="Score, flag, refuse, log and count.")
    parser.add_argument("--model_name", default="model", help="name of the InferenceService")
    parser.add_argument("--predictor_host", required=True, help="host[:port] of the predictor")
    parser.add_argument("--http_port", type=int, default=8080)
    parser.add_argument("--predictor_protocol", choices=("v1", "v2"))
    parser.add_argument("--predictor_request_timeout_seconds", type=float, default=60.0)
    options, _ = parser.parse_known_args(arguments)  # KServe adds arguments that only its SDK knows
    public = environment.get(contract.ENV_MODEL_DEPLOYMENT) or options.model_name
    return Options(
        identity=Identity(
            namespace=environment.get(contract.ENV_NAMESPACE, "default"),
            model_deployment=public,
            version=environment.get(contract.ENV_VERSION, "0"),
            arm=environment.get(contract.ENV_ARM) or options.model_name,
        ),
        predictor_host=options.predictor_host,
        predictor_model=environment.get(contract.ENV_PREDICTOR_MODEL) or public,
        predictor_protocol=options.predictor_protocol or environment.get(contract.ENV_PROTOCOL, "v1"),
        predictor_timeout_seconds=options.predictor_request_timeout_seconds,
        detector_uri=environment.get(contract.ENV_DETECTOR_URI) or None,
        on_detection=OnDetection(environment.get(contract.ENV_ON_DETECTION) or OnDetection.FLAG),
        tracking_uri=environment.get(contract.ENV_TRACKING_URI, ""),
        collector_url=environment.get(contract.ENV_COLLECTOR_URL) or None,
        collector_token=environment.get(contract.ENV_COLLECTOR_TOKEN) or None,
        sample_percent=int(environment.get(contract.ENV_SAMPLE_PERCENT) or 100),
        privacy=_privacy(environment),
    ), options.http_port


def _privacy(environment: Mapping[str, str]) -> Privacy | None:
    changes = environment.get(contract.ENV_LOG_COLUMNS)
    if not changes:
        return None
    key = environment.get(contract.ENV_HASH_KEY, "").encode()
    return Privacy(contract.ChangedColumns.model_validate_json(changes), key)
