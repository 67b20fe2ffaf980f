#!/usr/bin/env bash
# KServe, KubeRay and Envoy Gateway into the cluster of the kubeconfig, by their own charts.
set -euo pipefail

KSERVE=v0.20.0 KUBERAY=1.6.1 ENVOY_GATEWAY=v1.9.1 CERT_MANAGER=v1.20.0

helm upgrade --install envoy-gateway oci://docker.io/envoyproxy/gateway-helm --version "$ENVOY_GATEWAY" \
  --namespace envoy-gateway-system --create-namespace --wait
helm upgrade --install cert-manager oci://quay.io/jetstack/charts/cert-manager --version "$CERT_MANAGER" \
  --namespace cert-manager --create-namespace --set crds.enabled=true --wait
helm upgrade --install kserve-crd oci://ghcr.io/kserve/charts/kserve-crd --version "$KSERVE" \
  --namespace kserve --create-namespace --wait
helm upgrade --install kserve oci://ghcr.io/kserve/charts/kserve-resources --version "$KSERVE" --namespace kserve \
  --set kserve.controller.deploymentMode=Standard --set kserve.controller.gateway.ingressGateway.enableGatewayApi=false --wait
helm upgrade --install kuberay-operator kuberay-operator --repo https://ray-project.github.io/kuberay-helm/ \
  --version "$KUBERAY" --namespace kuberay --create-namespace --wait
