"""Which addresses a kubeconfig written by a tenant may make the operator connect to."""

import ipaddress
import socket
from typing import Any, Final

from region_operator.errors import InvalidInput

METADATA_SERVICES: Final = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Of clouds that do not use the link-local 169.254.169.254."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(InvalidInput, OSError):
    """An ``OSError`` too, because it is raised where a socket would have been made."""

    def __init__(self, address: str) -> None:
        super().__init__(
            field="server",
            problem=f"{address} is a loopback, link-local, metadata or otherwise special address",
            remedy="give an address by which the cluster is reached from outside",
            reason="KubeconfigRefused",
        )


def check(address: str) -> None:
    """Refuse addresses that lead back to this machine or to a cloud's metadata service.

    Raises:
        AddressRefused: it does.
    """
    plain = _unwrap(ipaddress.ip_address(address.partition("%")[0]))
    if (
        plain.is_loopback
        or plain.is_link_local
        or plain.is_unspecified
        or plain.is_multicast
        or (plain.is_reserved and plain.version == 4)
        or plain in METADATA_SERVICES
    ):
        raise AddressRefused(address)


def checked_socket(address_info: Any) -> socket.socket:
    """Socket factory of a connector that checks each address at the moment it is used.

    It sees what a name resolved to, and where a redirect leads, so neither is a way around the check.
    """
    family, kind, protocol, _, where = address_info
    check(str(where[0]))
    return socket.socket(family, kind, protocol)


def _unwrap(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.sixtofour or address
    return address
