"""What can be generated from the API's words: CRDs, the chart's copy of them, RBAC rules, reference pages."""
