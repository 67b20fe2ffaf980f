"""The whole loop on one machine: a real Kubernetes control plane, real neighbours, no cluster."""
