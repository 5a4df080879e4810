"""The part of libbpf that steering uses, bound through cffi.

Only what is called is declared. libbpf 1.1 (Debian 12) and later; its structures that carry a `sz` field are versioned
by it, so that a later library understands ours. `check` turns a failed call into `BpfError` with the kernel's number.
"""

import errno
import os
from functools import cache
from typing import Any

import cffi

from hyperward.errors import SystemFault

_DECLARATIONS = """
struct bpf_object; struct bpf_program; struct bpf_map;
struct bpf_object_open_opts {
    size_t sz; const char *object_name; bool relaxed_maps; const char *pin_root_path;
    uint32_t removed; const char *kconfig; const char *btf_custom_path;
    char *kernel_log_buf; size_t kernel_log_size; uint32_t kernel_log_level;
};
struct bpf_object *bpf_object__open_mem(const void *buf, size_t size, const struct bpf_object_open_opts *opts);
int bpf_object__load(struct bpf_object *obj);
void bpf_object__close(struct bpf_object *obj);
struct bpf_program *bpf_object__next_program(const struct bpf_object *obj, struct bpf_program *prog);
struct bpf_map *bpf_object__next_map(const struct bpf_object *obj, const struct bpf_map *map);
const char *bpf_program__name(const struct bpf_program *prog);
int bpf_program__fd(const struct bpf_program *prog);
const char *bpf_map__name(const struct bpf_map *map);
int bpf_map__fd(const struct bpf_map *map);
int bpf_map__reuse_fd(struct bpf_map *map, int fd);
void *libbpf_set_print(void *fn);
int libbpf_num_possible_cpus(void);

int bpf_obj_pin(int fd, const char *pathname);
int bpf_obj_get(const char *pathname);
int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags);
int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_get_next_key(int fd, const void *key, void *next_key);
struct bpf_map_batch_opts { size_t sz; uint64_t elem_flags; uint64_t flags; };
int bpf_map_update_batch(int fd, const void *keys, const void *values, uint32_t *count,
                         const struct bpf_map_batch_opts *opts);
int bpf_map_delete_batch(int fd, const void *keys, uint32_t *count, const struct bpf_map_batch_opts *opts);

struct bpf_tc_hook { size_t sz; int ifindex; int attach_point; uint32_t parent; };
struct bpf_tc_opts {
    size_t sz; int prog_fd; uint32_t flags; uint32_t prog_id; uint32_t handle; uint32_t priority;
};
int bpf_tc_hook_create(struct bpf_tc_hook *hook);
int bpf_tc_hook_destroy(struct bpf_tc_hook *hook);
int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);
int bpf_tc_detach(const struct bpf_tc_hook *hook, const struct bpf_tc_opts *opts);
int bpf_tc_query(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);

struct bpf_test_run_opts {
    size_t sz; const void *data_in; void *data_out; uint32_t data_size_in; uint32_t data_size_out;
    const void *ctx_in; void *ctx_out; uint32_t ctx_size_in; uint32_t ctx_size_out;
    uint32_t retval; int repeat; uint32_t duration; uint32_t flags; uint32_t cpu; uint32_t batch_size;
};
int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts);
"""

ffi: Any = cffi.FFI()
ffi.cdef(_DECLARATIONS)


class BpfError(SystemFault):
    """The kernel or libbpf refused a call; `number` is the errno."""

    def __init__(self, action: str, number: int, hint: str = "") -> None:
        self.number = number
        if not hint and number in {errno.EPERM, errno.EACCES}:
            hint = "run it as root, or give the service CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
        super().__init__(f"{action} failed: {os.strerror(number)}", where="steering", hint=hint)


@cache
def lib() -> Any:
    """Return the loaded library, silenced: what it would print comes back through errors.

    Raises:
        SystemFault: libbpf is not installed.
    """
    try:
        library = ffi.dlopen("libbpf.so.1")
    except OSError:
        raise SystemFault(
            "libbpf.so.1 cannot be loaded", where="steering", hint="install libbpf (Debian: libbpf1)"
        ) from None
    library.libbpf_set_print(ffi.NULL)
    return library


def check(result: int, action: str) -> int:
    """Return `result` of a libbpf call, or raise `BpfError` when it is negative.

    libbpf 1.x returns -errno; the plain syscall wrappers of it do the same.
    """
    if result < 0:
        raise BpfError(action, -result)
    return result


def sized(kind: str) -> Any:
    """Return a zeroed structure `struct KIND` with its `sz` field set."""
    value = ffi.new(f"struct {kind} *")
    value.sz = ffi.sizeof(f"struct {kind}")
    return value


def text(pointer: Any) -> str:
    """Return the C string at `pointer`."""
    raw: bytes = ffi.string(pointer)
    return raw.decode()
