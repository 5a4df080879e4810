"""The VMs and ports of one hypervisor, as drivers report them."""
