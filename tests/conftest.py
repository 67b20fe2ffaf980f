"""What all tests share."""

from hypothesis import settings

pytest_plugins = [
    "tests.support.controlplane",
    "tests.support.dataplane",
    "tests.support.helm",
    "tests.support.mlflow",
    "tests.support.rayhead",
    "tests.support.riverjobs",
    "tests.support.shell",
]

settings.register_profile("leeboard", deadline=None)  # no test is timed: a busy machine is no fault of the code
settings.load_profile("leeboard")
