"""Chapter 3: quiet windows stay quiet; then drift is found."""

from leeboard.sandbox.teller import Teller
from leeboard.sandbox.watch import MONITORS, Document, condition


async def tell_drift(teller: Teller) -> None:
    """Wait for the alarm, and say what was found."""
    teller.story.chapter("3 · The year goes by; the monitor watches")

    async def found() -> Document:
        status = await teller.watch.status(MONITORS)
        return status if condition(status, "DriftDetected").get("status") == "True" else {}

    status = await teller.wait(found, "drift to be found", within=240)
    teller.marks["alarm"] = teller.story.seconds
    teller.story.claim(f"drift found: {condition(status, 'DriftDetected')['message']}", holds=True)
    quiet = [item for item in status["history"] if item["verdict"] == "Stable"]
    teller.story.claim(f"{len(quiet)} quiet window(s) before it raised no alarm", holds=bool(quiet))
    await teller.keep_report(status["lastRun"]["runId"], "drift")
