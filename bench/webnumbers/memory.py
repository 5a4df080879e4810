"""How much of a database is resident in a scanner: `/proc/PID/smaps`."""

from pathlib import Path


def resident(smaps: str, path: str) -> int:
    """Return the bytes of a file's mappings that are resident, from the text of smaps (proc(5))."""
    total, ours = 0, False
    for line in smaps.splitlines():
        word = line.split()
        if "-" in word[0] and not word[0].endswith(":"):
            ours = line.endswith(f" {path}")
        elif ours and word[0] == "Rss:":
            total += int(word[1]) * 1024
    return total


def resident_in(pid: int, path: Path) -> int:
    """Return the bytes of a file's mappings that are resident in a process."""
    return resident(Path(f"/proc/{pid}/smaps").read_text(), str(path))


def resident_of(pid: int) -> int:
    """Return all resident bytes of a process, those that it shares included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
