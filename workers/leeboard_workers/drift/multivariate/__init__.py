"""One test of all columns at once: `run_joint_test`, and the statistics by themselves."""

from leeboard_workers.drift.multivariate.classifier import domain_classifier
from leeboard_workers.drift.multivariate.device import Device, cpu, fastest
from leeboard_workers.drift.multivariate.discrepancy import Permuting, energy_distance, maximum_mean_discrepancy
from leeboard_workers.drift.multivariate.joint import JointTask, run_joint_test
from leeboard_workers.drift.multivariate.outcome import JointOutcome, UnfitRowsError
from leeboard_workers.drift.multivariate.reconstruction import pca_reconstruction
from leeboard_workers.drift.multivariate.sides import Sides

__all__ = [
    "Device",
    "JointOutcome",
    "JointTask",
    "Permuting",
    "Sides",
    "UnfitRowsError",
    "cpu",
    "domain_classifier",
    "energy_distance",
    "fastest",
    "maximum_mean_discrepancy",
    "pca_reconstruction",
    "run_joint_test",
]
