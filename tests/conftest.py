"""What all tests share."""

pytest_plugins = ["tests.support.controlplane", "tests.support.mlflow", "tests.support.dataplane"]
