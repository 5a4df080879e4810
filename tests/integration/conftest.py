from lab_fixtures import make_lab, namespace_lab, qemu_lab

__all__ = ["make_lab", "namespace_lab", "qemu_lab"]
