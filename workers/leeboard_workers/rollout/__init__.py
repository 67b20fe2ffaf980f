"""What the jobs of a rollout measure: a candidate beside the stable version, on the same rows."""
