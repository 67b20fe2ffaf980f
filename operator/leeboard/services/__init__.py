"""The neighbours, each behind one small interface: registry (MLflow), metrics (Prometheus), collector, arms."""
