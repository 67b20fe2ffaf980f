"""The commands and their options; what they do stands in the modules that they import when they run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

program = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keeps machine-learning models on course: deploys, watches, retrains, and brings the new version in safely.",
)
sandbox = typer.Typer(no_args_is_help=True, help="The whole loop on one machine, with no cluster.")
program.add_typer(sandbox, name="sandbox")
labels = typer.Typer(no_args_is_help=True, help="Outcomes that became known.")
program.add_typer(labels, name="labels")

_PEOPLE = "What people ask for"
_OPERATOR = "Operator and installation"


class Output(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"


class Part(StrEnum):
    """A part of a model's loop."""

    DEPLOYMENT = "deployment"
    MONITOR = "monitor"
    POLICY = "policy"


class ReportKind(StrEnum):
    """Which report."""

    DRIFT = "drift"
    RETRAIN = "retrain"
    ROLLOUT = "rollout"


Name = Annotated[str, typer.Argument(help="Name of the ModelDeployment.")]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; left out: the kubeconfig's, else default.")
]
Version = Annotated[str | None, typer.Option(help="Version of the model; left out: the one that is meant.")]
Parts = Annotated[
    list[Part] | None, typer.Option("--only", help="Only this part of the loop; may be given several times.")
]


@program.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Name of the ModelDeployment; left out: all of them.")] = None,
    namespace: Namespace = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="text or json.")] = Output.TEXT,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing what changes.")] = False,
) -> None:
    """Show the loop of one model at a glance, or all models."""
    from leeboard.cli import status as command

    command.run(name, namespace, all_namespaces=all_namespaces, as_json=output is Output.JSON, watch=watch)


@program.command(rich_help_panel=_PEOPLE)
def promote(
    name: Name,
    namespace: Namespace = None,
    version: Version = None,
    full: Annotated[bool, typer.Option("--full", help="Skip the remaining stages, never readiness.")] = False,
) -> None:
    """Approve the pending step of a candidate."""
    from leeboard.cli import acts

    acts.promote(name, namespace, version, full=full)


@program.command(rich_help_panel=_PEOPLE)
def abort(name: Name, namespace: Namespace = None, version: Version = None) -> None:
    """Give up a rollout: the stable version gets all traffic back."""
    from leeboard.cli import acts

    acts.abort(name, namespace, version)


@program.command(rich_help_panel=_PEOPLE)
def retry(name: Name, namespace: Namespace = None, version: Version = None) -> None:
    """Try a rejected version again."""
    from leeboard.cli import acts

    acts.retry(name, namespace, version)


@program.command(rich_help_panel=_PEOPLE)
def restart(name: Name, namespace: Namespace = None) -> None:
    """Bring the stable version in anew, with the present images of Leeboard, by a rollout with all its stages."""
    from leeboard.cli import acts

    acts.restart(name, namespace)


@program.command(rich_help_panel=_PEOPLE)
def retrain(
    name: Annotated[str, typer.Argument(help="Name of the RetrainPolicy, or of its ModelDeployment.")],
    namespace: Namespace = None,
    token: Annotated[str | None, typer.Option(help="Each token starts at most one run; left out: the time.")] = None,
) -> None:
    """Start a retraining run, whatever the policy's level."""
    from leeboard.cli import acts

    acts.retrain(name, namespace, token)


@program.command(rich_help_panel=_PEOPLE)
def suspend(name: Name, namespace: Namespace = None, only: Parts = None) -> None:
    """Let a model's loop start and advance nothing; rollback for health goes on."""
    from leeboard.cli import acts

    acts.set_suspended(name, namespace, [part.value for part in only or Part], suspended=True)


@program.command(rich_help_panel=_PEOPLE)
def resume(name: Name, namespace: Namespace = None, only: Parts = None) -> None:
    """Let a suspended loop go on."""
    from leeboard.cli import acts

    acts.set_suspended(name, namespace, [part.value for part in only or Part], suspended=False)


@program.command()
def report(
    name: Name,
    kind: Annotated[ReportKind, typer.Argument(help="drift, retrain or rollout.")] = ReportKind.DRIFT,
    namespace: Namespace = None,
    save: Annotated[Path | None, typer.Option(help="Write the HTML report to this file.")] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the HTML report in the browser.")] = False,
) -> None:
    """Show the last report about a model: of a drift run, a retraining, or what examined a version that comes in."""
    from leeboard.cli import report as command

    command.run(name, namespace, kind.value, save=save, browse=browse)


@program.command(rich_help_panel=_OPERATOR)
def run() -> None:
    """Run the operator; the environment variables LEEBOARD_… are its settings."""
    from leeboard.app import CannotStartError
    from leeboard.app import run as run_operator
    from leeboard.cli.errors import CommandError
    from leeboard.settings import Settings

    try:
        run_operator(Settings.from_environment())
    except (CannotStartError, ValueError) as error:
        raise CommandError(f"the operator cannot start: {error}") from None


@program.command(rich_help_panel=_OPERATOR)
def crds() -> None:
    """Print the CustomResourceDefinitions, for kubectl apply."""
    from leeboard.crdgen.files import document
    from leeboard.crdgen.kinds import KINDS, crd

    typer.echo("---\n".join(document(crd(kind)) for kind in KINDS), nl=False)


@labels.command()
def push(
    file: Annotated[Path, typer.Argument(help="CSV with the columns request_id, row, label, reward, time.")],
    to: Annotated[str, typer.Option("--to", help="Name of the ModelDeployment whose answers they judge.")],
    namespace: Namespace = None,
    collector: Annotated[
        str | None, typer.Option(help="Address of the collector; left out: LEEBOARD_COLLECTOR_URL.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send the good lines though there are bad ones.")
    ] = False,
) -> None:
    """Hand a file of labels to the collector; cut off, it goes on where it was when it is pushed again."""
    from leeboard.cli import labels as command

    command.push(file, to, namespace, collector, skip_bad=skip_bad)


@sandbox.command()
def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="Only these; left out: all that the sandbox runs.")] = None,
) -> None:
    """Find, download or build the programs that the sandbox runs; once per machine."""
    from leeboard.cli import sandbox as command

    command.prepare(names or [])


@sandbox.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards, with a kubeconfig.")] = False,
) -> None:
    """Play a year of real flights through the whole loop."""
    from leeboard.cli import sandbox as command

    command.demo(keep=keep)
