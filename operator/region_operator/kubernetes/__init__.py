"""The one door to Kubernetes APIs: clients per cluster, watch, kubeconfig."""
