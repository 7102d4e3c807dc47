"""devcluster: a whole real Kubernetes without Docker, in Linux namespaces of its own.

What users of the package need: :class:`devcluster.cluster.Cluster` (up, down, kubectl, load, link),
:mod:`devcluster.network` (cut, heal) and :mod:`devcluster.images` (build). :mod:`devcluster.kind` is the same on kind.
"""
