"""What all tests share."""

pytest_plugins = [
    "tests.support.controlplane",
    "tests.support.dataplane",
    "tests.support.helm",
    "tests.support.mlflow",
    "tests.support.properties",
    "tests.support.rayhead",
    "tests.support.riverjobs",
    "tests.support.shell",
]
