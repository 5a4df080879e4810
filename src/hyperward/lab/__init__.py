"""A laboratory on one machine: namespaces and a real QEMU virtual machine to protect, attack and test."""
