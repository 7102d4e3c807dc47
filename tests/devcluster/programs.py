"""The programs of a node, their flags and the files that they read."""

import json
from pathlib import Path

from devcluster.layout import API_PORT, DNS_READY_PORT, INSIDE, Layout


def programs(layout: Layout) -> dict[str, list[str]]:
    def node(program: str, **flags: object) -> list[str]:
        return [
            str(INSIDE / "node"),
            program,
            *(f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()),
        ]

    def config(user: str) -> Path:
        return INSIDE / f"{user}.kubeconfig"

    pki, etcd = INSIDE / "pki", "http://127.0.0.1:2379"
    return {
        "containerd": ["containerd", "--config", str(INSIDE / "containerd.toml")],
        "forward": [str(INSIDE / "forward"), f"127.0.0.1:{API_PORT}"],
        "coredns": [str(INSIDE / "node"), "coredns", "-conf", str(INSIDE / "Corefile")],
        "etcd": node(
            "etcd", data_dir="/var/lib/etcd", listen_client_urls=etcd, advertise_client_urls=etcd,
            listen_peer_urls="http://127.0.0.1:2380", unsafe_no_fsync="true", log_level="warn",
        ),
        "kube-apiserver": node(
            "kube-apiserver", etcd_servers=etcd, secure_port=API_PORT, advertise_address=layout.node_address,
            service_cluster_ip_range=layout.services, authorization_mode="Node,RBAC", allow_privileged="true",
            enable_admission_plugins="NodeRestriction", kubelet_preferred_address_types="InternalIP",
            client_ca_file=pki / "ca.crt",
            tls_cert_file=pki / "apiserver.crt", tls_private_key_file=pki / "apiserver.key",
            kubelet_client_certificate=pki / "kubelet-client.crt", kubelet_client_key=pki / "kubelet-client.key",
            service_account_issuer="https://kubernetes.default.svc", service_account_key_file=pki / "tokens.crt",
            service_account_signing_key_file=pki / "tokens.key",
        ),
        "kube-controller-manager": node(
            "kube-controller-manager", kubeconfig=config("system:kube-controller-manager"), leader_elect="false",
            use_service_account_credentials="true", service_account_private_key_file=pki / "tokens.key",
            root_ca_file=pki / "ca.crt", enable_hostpath_provisioner="true", bind_address="127.0.0.1",
        ),
        "kube-scheduler": node(
            "kube-scheduler", kubeconfig=config("system:kube-scheduler"), leader_elect="false",
            bind_address="127.0.0.1",
        ),
        "kube-proxy": node(
            "kube-proxy", kubeconfig=config("system:kube-proxy"), proxy_mode="nftables", cluster_cidr=layout.pods,
            conntrack_max_per_core=0, hostname_override=layout.name, metrics_bind_address="127.0.0.1:10249",
        ),
        "kubelet": node(
            "kubelet", kubeconfig=config(f"system:node:{layout.name}"), config=INSIDE / "kubelet.json",
            hostname_override=layout.name, node_ip=layout.node_address,
        ),
    }  # fmt: skip


def write_configuration(layout: Layout) -> None:
    """Write what the programs above read; done before the node starts."""
    directory = layout.directory
    (directory / "cni").mkdir()
    (directory / "cni/10-pods.conflist").write_text(json.dumps(_pod_network(layout)))
    (directory / "kubelet.json").write_text(json.dumps(_kubelet(layout)))
    (directory / "addons.json").write_text(json.dumps(_addons()))
    (directory / "containerd.toml").write_text(CONTAINERD)
    (directory / "Corefile").write_text(
        f".:53 {{\n errors\n ready 127.0.0.1:{DNS_READY_PORT}\n cache 5\n kubernetes cluster.local in-addr.arpa {{\n"
        f"  kubeconfig {INSIDE}/system:coredns.kubeconfig\n  ttl 1\n }}\n}}\n"
    )


# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc fails with "can't get final child's PID from pipe: EOF".
CONTAINERD = f"""\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "devcluster.local/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{INSIDE}/cni"
"""


def _kubelet(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(INSIDE / "pki/ca.crt")}},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupRoot": f"/{layout.cgroup}", "cgroupDriver": "cgroupfs", "failCgroupV1": False, "failSwapOn": False,
        "clusterDNS": [layout.node_address], "clusterDomain": "cluster.local", "resolvConf": "",
        "syncFrequency": "5s",  # mounted Secrets follow an edit within seconds, not a minute
        "serializeImagePulls": False, "imageGCHighThresholdPercent": 100,
        # A full disk of the developer's machine must not evict the Pods of a test.
        "evictionHard": {"memory.available": "0%", **dict.fromkeys(("nodefs.available", "imagefs.available"), "0%")},
    }  # fmt: skip


def _pod_network(layout: Layout) -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": layout.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _addons() -> dict[str, object]:
    rbac = "rbac.authorization.k8s.io"
    read = {"verbs": ["list", "watch"]}
    items = [
        {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/host-path",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "allowVolumeExpansion": True,
        },
        {
            "apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "namespaces"], **read},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], **read},
            ],
        },
        {
            "apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "system:coredns"}],
        },
    ]  # fmt: skip
    return {"apiVersion": "v1", "kind": "List", "items": items}
