"""Chapter 1: a model trained on January becomes champion, and three manifests are applied."""

from pathlib import Path

from leeboard.sandbox.manifests import manifests
from leeboard.sandbox.models import MODEL
from leeboard.sandbox.teller import Teller
from leeboard.sandbox.watch import DEPLOYMENTS, POLICIES, Document, condition


async def tell_opening(teller: Teller) -> None:
    """Wait until the first version answers."""
    story, watch, stage = teller.story, teller.watch, teller.stage
    story.chapter("1 · A model trained on January, three manifests")
    table, began = january(teller), story.seconds
    version = await teller.train("first", table)
    teller.bear(story.seconds - began)
    await watch.set_alias(MODEL, "champion", version)
    story.say(f"MLflow: version {version} of {MODEL!r}, trained on January, is the champion")
    for manifest in manifests(stage.namespace, stage.shortened):
        await watch.apply(manifest)
        story.say(f"kubectl apply: {manifest['kind']} {manifest['metadata']['name']}")
    await watch.suspend(POLICIES, suspend=True)
    story.say("leeboard suspend flights --only policy: no retraining before the middle of April")

    async def ready() -> Document:
        status = await watch.status(DEPLOYMENTS)
        return status if condition(status, "Ready").get("status") == "True" else {}

    status = await teller.wait(ready, "the model to answer", within=180)
    story.claim(
        f"version {status['stable']['version']} answers at {status['url']} (through {stage.gateway_url})",
        holds=condition(status, "Available").get("status") == "True",
    )


def january(teller: Teller) -> Path:
    """Return the table of January's flights."""
    return teller.table("january", "2013-01-01", "2013-02-01")
