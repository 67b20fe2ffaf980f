"""Tables as the jobs and the data plane see them: data sets, the prediction log with its labels, windows of time."""
