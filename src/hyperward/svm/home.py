"""HOME_NET where a policy names none: the networks of the protected VMs."""

from ipaddress import ip_network

from hyperward.inventory.models import Inventory
from hyperward.ips.engine.tenants import PRIVATE_NETWORKS
from hyperward.policy.networks import NetworkSet, canonical


def home_networks(inventory: Inventory) -> NetworkSet:
    """Return the private networks and whatever other addresses the inventory knows of its VMs."""
    networks = [ip_network(text) for text in PRIVATE_NETWORKS]
    networks += [ip_network(address) for vm in inventory.vms for address in vm.addresses]
    return canonical(networks)
