"""Entrypoints of Ray jobs: each takes a request document from its environment and leaves one MLflow run."""
