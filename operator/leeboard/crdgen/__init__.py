"""What can be generated: CRDs, the chart's copy of them, RBAC rules, reference pages, the chart's values."""
