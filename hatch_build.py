"""Build hook: compile the steering program with clang and ship the object as package data.

The object is built for the BPF target, so one wheel's object serves every machine of the same byte order. clang and
the libbpf headers are build requirements (Debian: clang, libbpf-dev, linux-libc-dev).
"""

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/hyperward/steering/steering.bpf.c")


class BpfBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling ships no types
    """Compile `steering.bpf.c` to `steering.bpf.o` beside it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before a wheel or an editable install is made."""
        del version, build_data
        root = Path(self.root)
        clang = shutil.which("clang")
        if clang is None:
            raise SystemExit("hyperward: clang is needed to compile the steering program (Debian: apt install clang)")
        source = root / SOURCE
        # The multiarch folder holds asm/types.h on Debian; a BPF target does not search it by itself.
        include = Path("/usr/include") / f"{platform.machine()}-linux-gnu"
        command = [clang, "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3"]
        command += ["-I", str(include), "-c", str(source), "-o", str(source.with_suffix(".o"))]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"hyperward: compiling {SOURCE} failed:\n{done.stderr}")
