"""Every reason that a condition, an Event or the end of a rollout gives, with what it means and what to do.

`make generate` writes docs/reference/reasons.md from it; a test holds it against the code, both ways.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A reason, for people."""

    name: str
    """As it stands in the object: CamelCase."""
    means: str
    """In a sentence without its full stop."""
    do: str = ""
    """What a person does about it; empty: nothing."""


_WAIT = "wait"
_POD_HELP = "look at the arm's pods: image, memory, model files, quota, nodes"
_NO_LOG_HELP = "see [Nothing is logged](../operations/troubleshooting.md#nothing-is-logged)"
_UNTOLD_HELP = "see [Inconclusive](../operations/troubleshooting.md#the-analysis-stays-inconclusive)"
_REPORT = "`leeboard report <name> rollout`; register a better version, or `leeboard retry`"

_MODEL_DEPLOYMENT = (
    Reason("Answering", "of `Available`: the stable version answers"),
    Reason("Accepted", "of `RouteReady`: the Gateway follows the HTTPRoute"),
    Reason("Fitted", "of `DetectorReady`: the detector of the version that serves is there"),
    Reason("NothingToRoute", "of `RouteReady`: no arm has proven itself yet, so there is no route", _WAIT),
    Reason("NotWanted", "of `DetectorReady`: `outOfDistribution` is not set"),
    Reason("Fitting", "of `DetectorReady`: a job fits the detector", _WAIT),
    Reason("Serving", "all is well"),
    Reason("ClaimingAliases", "it records in MLflow that it owns its aliases", _WAIT),
    Reason("Preparing", "detector and arm are made", "wait; the message names what is missing"),
    Reason("FittingDetector", "a job fits the detector", "wait; the message names the RayJob"),
    Reason("WaitingForArm", "the arm is not rolled out", f"read what KServe or its Deployment says; {_POD_HELP}"),
    Reason(
        "ProvingArm",
        "the arm has not answered one real prediction yet",
        "the message repeats its answer; give the version an input example that its own signature takes",
    ),
    Reason("Verifying", "the test pack goes through the candidate's arm", "wait; the message names the RayJob"),
    Reason("Verified", "the candidate has passed its verification"),
    Reason(
        "Shadow",
        "the candidate gets copies of requests",
        "wait; the message says what is lacking: time, rows, the collector",
    ),
    Reason(
        "Comparing",
        "the candidate's answers are compared with the stable version's",
        "wait; the message names the RayJob, or says what is lacking",
    ),
    Reason("Compared", "the comparison has passed"),
    Reason(
        "Canary", "a step is under way", "wait; the message says what it lacks: time, samples, a verdict, the gateway"
    ),
    Reason(
        "WaitingForApproval",
        "a version has passed all stages",
        "look at the reports that the message names, then `leeboard promote` or `leeboard abort`",
    ),
    Reason("Promoting", "all traffic goes to the new version", _WAIT),
    Reason("Baking", "the new version has all traffic; the old one waits", "wait, or `leeboard promote` to end it"),
    Reason(
        "WaitsToGoBack",
        "the new version does worse, and the arm before it is not available to take the traffic back",
        "bring the old arm's pods up, `leeboard promote` to stay, or `leeboard abort` to go back all the same",
    ),
    Reason("EmergencyReturn", "a version that was promoted before returns at once", _WAIT),
    Reason("NoVersion", "no version has the alias", "set `champion` in MLflow"),
    Reason("VersionNotReady", "MLflow does not call the version ready", "wait, or see why its registration hangs"),
    Reason(
        "RouteNotReady",
        "the route does not carry what it should yet",
        "does the Gateway exist, allow routes of this namespace, and match the host name?",
    ),
    Reason(
        "StableNotProven",
        "the stable version's arm has not answered a real prediction since it was made",
        f"{_POD_HELP}; after 10 minutes another version that is ready takes its place",
    ),
    Reason(
        "TriedAgainLater",
        "a version was rolled back for a reason that does not speak against it, such as a cluster without room",
        "the message says what was in the way and when it is tried again; `leeboard retry` does so at once",
    ),
    Reason("StableUnavailable", "nothing of the stable version answers; the route is left as it is", _POD_HELP),
    Reason(
        "ArmMissing",
        "the stable version's InferenceService is not there",
        "wait: it is made again, or by a rollout where the spec has changed",
    ),
    Reason(
        "MissingCustomResource",
        "the cluster does not know a kind that is needed, such as InferenceService, HTTPRoute or RayJob",
        "install what the message names; it is noticed by itself",
    ),
    Reason(
        "RegistryUnavailable",
        "MLflow does not answer, or refuses",
        "the message gives the address; `403 Invalid Host header`: add the host to the MLflow server's "
        "`MLFLOW_SERVER_ALLOWED_HOSTS`",
    ),
    Reason("PrometheusUnavailable", "Prometheus does not answer; the weight stays", "the message gives the address"),
    Reason("QueryFailed", "Prometheus refuses a query, or answers no single number", "sum or select in the query"),
)

_MODEL_DEPLOYMENT_STALLED = (
    Reason("ModelNotFound", "MLflow has no such model", "register it, or correct the name"),
    Reason("VersionNotFound", "MLflow has no such version", "register it, or correct the version"),
    Reason(
        "ModelNotAllowed", "the namespace may not name this model", "ask for its prefix in `LEEBOARD_MODEL_PREFIXES`"
    ),
    Reason(
        "AliasOwnedByOther",
        "another ModelDeployment owns an alias that this one follows",
        "use other aliases; if the other one is gone, remove every tag `leeboard.owner.<alias>` that the message names "
        "from the model",
    ),
    Reason(
        "NoTrainingData",
        "nobody said what the version was trained on, so there is no reference for the detector",
        "set `outOfDistribution.reference`, or the tag `leeboard.training-data`",
    ),
    Reason(
        "DetectorFailed",
        "the detector's job failed for good",
        "read the message and the job's MLflow run; mend; `leeboard retry`",
    ),
    Reason(
        "VerificationError",
        "the candidate could not be verified: the test pack cannot be read, or its job failed for good; "
        "the version is not rejected",
        "mend `verification` (tried at once) or its data set, then `leeboard retry`",
    ),
    Reason(
        "ComparisonError",
        "the answers in the shadow could not be compared: the log cannot be read, or the job failed for good",
        "mend what the message names, then `leeboard retry`",
    ),
    Reason(
        "NoPredictionLog",
        "a shadow stage needs the log, and nothing is logged",
        "set `LEEBOARD_COLLECTOR_URL` and `logging.samplePercent`, or remove the stage",
    ),
    Reason(
        "NoDetector",
        "a metric or check needs a detector and there is none",
        "set `outOfDistribution` of the ModelDeployment, or remove what needs it",
    ),
    Reason("DeadlineTooShort", "`progressDeadline` is not longer than the longest hold", "make it longer"),
    Reason(
        "UnsupportedModelUri",
        "the model's files lie where nothing can fetch them",
        "let MLflow serve artifacts, or use an object store",
    ),
    Reason(
        "VersionRejected",
        "Git, or the first deployment, asks for a rejected version",
        "ask for another version, or `leeboard retry`",
    ),
    Reason(
        "SpecRejected",
        "the changed spec was rolled back; the version goes on serving by the spec before, if its arm is still there",
        "another spec, or `leeboard retry`",
    ),
    Reason(
        "NamespaceTooLong",
        "KServe could bear no arm's name in this namespace",
        "use a shorter one; the message says how short",
    ),
)

_END_OF_A_ROLLOUT = (
    Reason("FirstDeployment", "the first version serves"),
    Reason("Baked", "the version passed all stages and its bake"),
    Reason("BakeEndedByHand", "a person ended the bake; the version stays"),
    Reason("VerificationFailed", "the deployed arm did worse on the test pack than allowed", _REPORT),
    Reason("ComparisonFailed", "its answers in the shadow differ too much from the stable version's", _REPORT),
    Reason("AnalysisFailed", "a metric of the analysis failed; the message names it", _REPORT),
    Reason(
        "NoMeasurement",
        "a metric could not be measured so many times in a row; this does not speak against the version",
        "mend the query that the message names; it is tried again by itself, or by `leeboard retry`",
    ),
    Reason("Unavailable", "nothing of it was available for 60 s while it had traffic", _POD_HELP),
    Reason(
        "ProgressDeadlineExceeded",
        "no step advanced for `progressDeadline`",
        "see what it waited for: traffic, samples, the arm, the gateway. It is tried again by itself, unless the model "
        "cannot be loaded or answers wrongly: then mend it, or `leeboard retry`",
    ),
    Reason("AbortedByHand", "a person aborted it", "`leeboard retry` to try it again"),
    Reason("MovedBack", "in its bake the alias was moved back to the version before"),
    Reason("Withdrawn", "its alias was taken away before it had come in"),
    Reason("Superseded", "another version was asked for instead"),
)

_DRIFT_MONITOR = (
    Reason("Scheduled", "all is well; the message says when the next window is scored"),
    Reason("Scoring", "a job is under way", _WAIT),
    Reason(
        "WaitsForRoom",
        "as many jobs run as `LEEBOARD_MAX_JOBS_AT_ONCE` allows",
        "wait, or raise it",
    ),
    Reason("ModelDeploymentMissing", "the ModelDeployment that it names is not there", "apply it"),
    Reason("NoStableVersion", "no version of the ModelDeployment serves yet", _WAIT),
    Reason("NoLog", "the collector knows no log of this model", _NO_LOG_HELP),
    Reason("NoCollector", "the operator has no collector", "set `LEEBOARD_COLLECTOR_URL`"),
    Reason("InvalidSchedule", "the cron expression cannot be read, or never strikes", "correct it"),
    Reason("UnknownTimeZone", "there is no such time zone", "correct it"),
    Reason(
        "DriftLasts",
        "of `DriftDetected`, True: an episode is open; the message names checks and columns",
        "`leeboard report <name> drift`",
    ),
    Reason("WindowDrifted", "of `DriftDetected`, False: the last window drifted, not enough of them for an episode"),
    Reason("Quiet", "of `DriftDetected`, False: the last window is quiet"),
    Reason(
        "TooFewRows",
        "of `DriftDetected`, False: the last window tells nothing",
        "the message says which: widen the window, send traffic, or mend columns that cannot be compared",
    ),
    Reason("WaitsForLabels", "of `DriftDetected`, False: labels of the last window are still to come", "send labels"),
    Reason(
        "NotMeasured",
        "of `DriftDetected`, Unknown or False: no window was scored, or the last could not be",
        "`Ready` tells why",
    ),
)

_RETRAIN_POLICY = (
    Reason("Watching", "all is well; the message says what starts a run"),
    Reason("Training", "a job is under way", _WAIT),
    Reason(
        "RollingOut", "the version is registered; its rollout is waited for", "wait, and look at the ModelDeployment"
    ),
    Reason("RolloutUnderWay", "a run is asked for; a version that is coming in must end first", _WAIT),
    Reason("MinInterval", "a run is asked for; the last one began too short ago", "wait, or `leeboard retrain`"),
    Reason("BudgetSpent", "a run is asked for; `budget.maxRunsPerDay` runs have begun in this UTC day", _WAIT),
    Reason("WaitsForData", "the data to train on cannot be read yet", _NO_LOG_HELP),
    Reason("DriftMonitorMissing", "a trigger names a monitor that is not there", "apply it, or name another"),
    Reason(
        "UnknownCheck",
        "a trigger waits for a check that its monitor does not make, so it never fires for it; other runs start",
        "correct the name, or add the check to the monitor",
    ),
    Reason("AnotherPolicy", "an older policy retrains the same model", "delete one of the two"),
    Reason("MonitorOfAnotherModel", "a trigger's monitor watches another model", "name one that watches this one"),
    Reason(
        "LoggingHidesColumns",
        "logging drops or hashes columns that the model takes, and a window of the log is to be trained on",
        "take them out of `logging.columns`, or train on `data.dataset`",
    ),
    Reason(
        "LoggingSampled",
        "part of the requests is not logged, and a window of the log is to be trained on",
        "`logging.samplePercent: 100`, or train on `data.dataset`",
    ),
    Reason(
        "InvalidSlice",
        "the slice of a gate cannot be read",
        "write comparisons of columns with values, joined by `and`, `or`, `not`",
    ),
    Reason(
        "InvalidToken",
        "the annotation `leeboard.dev/retrain` cannot be read",
        "up to 64 letters, digits or `: . _ -`",
    ),
    Reason(
        "RunFailed",
        "the last window could not be scored, or the last training could not do its work",
        "mend what the message says; the next window is tried by itself, a training by `leeboard retrain`",
    ),
    Reason(
        "TooManyRejections",
        "runs in a row brought no better model",
        "look at the data; change the spec, or `leeboard retrain`",
    ),
    Reason(
        "GivenUp",
        "one fact has started so many runs and still holds",
        "look at the data; change the spec, or `leeboard retrain`",
    ),
)

_ANY = (
    Reason("Suspended", "nothing starts or advances; a rollback for health goes on", "`leeboard resume`"),
    Reason(
        "Retrying",
        "a job failed for reasons of infrastructure, or a version is tried again; the message says why and when",
        "wait; raise `job.retries` or mend the cause",
    ),
    Reason(
        "NotTakenUp",
        "the Gateway does not follow the HTTPRoute, or no controller took up a RayJob",
        "the message says which: see the Gateway, or whether KubeRay's operator runs",
    ),
    Reason("CollectorUnavailable", "the collector does not answer", "the message gives the address"),
    Reason("JobsFull", "as many jobs run as allowed", "wait, or raise `LEEBOARD_MAX_JOBS_AT_ONCE`"),
    Reason(
        "KindMissing",
        "the API server does not know a kind",
        "install what the message names: KServe, KubeRay, the Gateway API",
    ),
    Reason("Forbidden", "the operator lacks a right", "apply the ClusterRole of this version"),
    Reason("ApiServerUnavailable", "the API server does not answer", _WAIT),
    Reason(
        "ChildNotOurs",
        "an object of the name is there that belongs to something else",
        "delete or rename it; after a quick delete and apply, wait",
    ),
    Reason("ChildTerminating", "an object that is to be made again is still being deleted", _WAIT),
    Reason(
        "ServiceUnavailable", "something is in the way that goes by itself; it is tried again", "the message says what"
    ),
    Reason("StepFailed", "something could not be written; it is tried again", "the message says what"),
    Reason(
        "StepRefused",
        "the API server refuses it, however often it is asked",
        "mend what the message says: it is the API server's",
    ),
    Reason(
        "RegistryWritesPending",
        "aliases or tags could not be written yet; traffic is not held up",
        "see MLflow; they are written later",
    ),
    Reason(
        "InvalidSpec",
        "the object breaks a rule that the API server does not know, or was written under another version of the CRD",
        "correct the field that the message names",
    ),
    Reason("Waiting", "something else must come first", "wait; the message says for what"),
    Reason(
        "InternalError",
        "a mistake of Leeboard's own; it backs off and tries again",
        "the operator's log has the trace: report it",
    ),
)

_JOB = (
    Reason("AppFailed", "the worker failed", "its log, and the run in MLflow"),
    Reason("SubmissionFailed", "the job could not be submitted", "does the Ray head run, has it memory?"),
    Reason(
        "ValidationFailed",
        "KubeRay refuses the RayJob; not tried again",
        "see `job` in the spec, and KubeRay's version (1.6 or newer)",
    ),
    Reason("DeadlineExceeded", "the job did not end in time", "raise `job.activeDeadline`, or a larger `job.cluster`"),
    Reason("JobStopped", "somebody stopped it; it is tried again", _WAIT),
    Reason("JobFailed", "it failed and KubeRay gives no reason", "its log, and the run in MLflow"),
)

_EVENT = (
    Reason("RolloutStarted", "a version begins to come in"),
    Reason("StepStarted", "a stage or a step of it begins"),
    Reason("ApprovalWanted", "a version waits for a person", "`leeboard promote` or `leeboard abort`"),
    Reason("Promoted", "a version has passed all stages and becomes the stable one"),
    Reason("RolloutPromoted", "a rollout ended well"),
    Reason("RolloutRolledBack", "a rollout was taken back; `status.lastRollout` says why", _REPORT),
    Reason("RolloutAborted", "a rollout was ended by a person, or by the registry", "`leeboard retry` to try it again"),
    Reason("RolloutSuperseded", "another version was asked for in mid-rollout"),
    Reason("AnalysisSuccessful", "a metric that did not pass before now passes"),
    Reason("AnalysisInconclusive", "a metric cannot be told any more", _UNTOLD_HELP),
    Reason("AnalysisError", "a metric cannot be measured", _UNTOLD_HELP),
    Reason(
        "DriftDetected", "a window of an episode drifted; also the condition's name", "`leeboard report <name> drift`"
    ),
    Reason("RunPromoted", "a retraining ended with a new stable version"),
    Reason(
        "RunRegistered", "a retraining registered a version; the ModelDeployment is pinned", "set `spec.model.version`"
    ),
    Reason("RunGateFailed", "the new model did not pass a gate", "`leeboard report <name> retrain`"),
    Reason(
        "RunInconclusive", "the rows were too few to judge the new model", "send labels, or lower `holdout.minRows`"
    ),
    Reason("RunRolledBack", "the new version was rolled back", "look at the ModelDeployment"),
    Reason("RunSuperseded", "another version was asked for before the new one was in"),
    Reason("RunError", "a retraining could not do its work", "mend what the message says, then `leeboard retrain`"),
)

_COMMAND = (Reason("LabelsRefused", "the collector refuses labels", "the message says which row, and why"),)

REASONS: dict[str, tuple[Reason, ...]] = {
    "ModelDeployment": _MODEL_DEPLOYMENT,
    "ModelDeployment, `Stalled`": _MODEL_DEPLOYMENT_STALLED,
    "end of a rollout": _END_OF_A_ROLLOUT,
    "DriftMonitor": _DRIFT_MONITOR,
    "RetrainPolicy": _RETRAIN_POLICY,
    "any": _ANY,
    "job": _JOB,
    "Event": _EVENT,
    "`leeboard labels`": _COMMAND,
}
"""By where they are given first; one reason means the same wherever it stands."""
