"""The file given to `hyperward svm run --config FILE`."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hyperward.databases.own.model import OwnAddresses
from hyperward.ips.rules.limits import Limits as RuleLimits
from hyperward.policy.fields import HomeNetworks
from hyperward.policy.findings import Finding
from hyperward.policy.networks import NetworkSet, parse_network_set
from hyperward.steering.layout import MAX_SCANNERS
from hyperward.svm.databases.config import (
    MAX_OWN,
    DatabasesConfig,
    DatabasesEntry,
    OwnAddressesEntry,
    databases_of,
    own_addresses_of,
    own_findings,
)
from hyperward.svm.names import check_svm_name, svm_name_of
from hyperward.svm.paths import not_too_large, own_folder, readable
from hyperward.svm.scanners.paths import default_count
from hyperward.yamlfile import Document, FileErrors, FileModel, Limits, parse, read_text

LIMITS = Limits(max_bytes=64 * 1024, max_nodes=2_000, max_entry_nodes=2_000)

RULE_LIMITS = RuleLimits()

MAX_DATABASES = 64

# A unix socket's path has at most 107 bytes (sun_path, unix(7)); this leaves room for our file names.
MAX_RUN_DIR_BYTES = 80

_PathText = Annotated[str, Field(min_length=1, max_length=4096)]
_Megabytes = Annotated[int, Field(ge=16, le=65_536)]


class EngineConfig(FileModel):
    """The IPS engine."""

    binary: _PathText = "suricata"
    """A program in PATH, or an absolute path."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """Worker threads for each direction; without it the daemon chooses by the number of CPUs."""
    mtu: Annotated[int, Field(ge=1280, le=9216)] = 1600
    """Of the inspection pairs, in bytes; above the VMs' own."""
    flow_memcap_mb: _Megabytes = 128
    stream_memcap_mb: _Megabytes = 128
    reassembly_memcap_mb: _Megabytes = 512
    defrag_memcap_mb: _Megabytes = 32


class SvmConfigFile(FileModel):
    """The file's shape."""

    name: Annotated[str, AfterValidator(check_svm_name)] | None = None
    state_dir: _PathText = "/var/lib/hyperward"
    run_dir: _PathText = "/run/hyperward"
    policy_file: _PathText
    inventory_file: _PathText
    rules: Annotated[tuple[_PathText, ...], Field(max_length=256)] = ()
    """For experts: rule files, folders and archives in the place of those of the databases."""
    databases: DatabasesEntry | None = None
    """Where application databases come from; `hyperward.svm.databases.config` says what precedes what."""
    own_rules: Annotated[tuple[_PathText, ...], Field(max_length=MAX_OWN)] = ()
    """Rule files of the operator, on top of all others."""
    own_addresses: Annotated[tuple[OwnAddressesEntry, ...], Field(max_length=MAX_OWN)] = ()
    """Lists of addresses of the operator, on top of all others."""
    engine: EngineConfig = EngineConfig()
    addresses: Annotated[tuple[_PathText, ...], Field(max_length=MAX_DATABASES)] = ()
    """For experts: address databases in the place of those of the databases, the most important first."""
    scanners: Annotated[int, Field(ge=1, le=MAX_SCANNERS)] | None = None
    """Web scanners; without it one for each CPU, at most 16."""
    never_block: HomeNetworks | None = None
    """Addresses and networks that are never blocked as a source, beside those of the hypervisor."""
    heartbeat_ms: Annotated[int, Field(ge=50, le=900)] = 300
    log_level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class SvmConfig:
    """The configuration of an SVM; all paths are absolute.

    Args:
        name: what events and people call this SVM.
        state_dir: what survives a reboot: offsets, spooled events.
        run_dir: what does not: sockets, pid files.
        policy_file: the file of policies.
        inventory_file: the file of VMs.
        rules: rule files, folders and archives in the place of those of the databases; empty for those.
        engine: the engine's settings.
        engine_binary: the program that `engine.binary` names.
        addresses: address databases in the place of those of the databases; empty for those.
        databases: where databases come from, and when.
        own_rules: rule files of the operator.
        own_addresses: lists of the operator.
        scanners: how many web scanners there are.
        never_block: networks that are never blocked as a source, canonical.
        heartbeat_ms: without an answer for so long the engine counts as down, in milliseconds. At most 900, because the
            failure action has to hold within a second.
        log_level: the least severe that is logged.
    """

    name: str
    state_dir: Path
    run_dir: Path
    policy_file: Path
    inventory_file: Path
    rules: tuple[Path, ...]
    engine: EngineConfig
    engine_binary: Path
    addresses: tuple[Path, ...]
    databases: DatabasesConfig
    own_rules: tuple[Path, ...]
    own_addresses: tuple[OwnAddresses, ...]
    scanners: int
    never_block: NetworkSet
    heartbeat_ms: int
    log_level: str


def load_config(path: Path) -> SvmConfig:
    """Return the configuration in a file; relative paths in it start at the file's folder.

    Raises:
        FileErrors: the file cannot be read, or all that is wrong in it, with files that it names and that are missing.
    """
    document = parse(read_text(path, max_bytes=LIMITS.max_bytes), str(path), LIMITS)
    return config_of(document, path.absolute().parent)


def config_of(document: Document, folder: Path) -> SvmConfig:
    """Return the configuration in a parsed file.

    Args:
        document: the file.
        folder: where relative paths start.

    Raises:
        FileErrors: all that is wrong in it.
    """
    file = document.validate(SvmConfigFile)
    config = _resolved(file, folder)
    problems = [document.problem(found.path, found.what, hint=found.hint) for found in _path_findings(file, config)]
    if problems:
        raise FileErrors(problems)
    return config


def _resolved(file: SvmConfigFile, folder: Path) -> SvmConfig:
    def absolute(text: str) -> Path:
        return folder / text

    # A bare word is looked up in PATH; what has a slash starts at the folder, as all other paths do.
    binary = str(absolute(file.engine.binary)) if "/" in file.engine.binary else file.engine.binary
    return SvmConfig(
        name=svm_name_of(socket.gethostname()) if file.name is None else file.name,
        state_dir=absolute(file.state_dir),
        run_dir=absolute(file.run_dir),
        policy_file=absolute(file.policy_file),
        inventory_file=absolute(file.inventory_file),
        rules=tuple(absolute(text) for text in file.rules),
        engine=file.engine,
        engine_binary=Path(shutil.which(binary) or binary),
        addresses=tuple(absolute(text) for text in file.addresses),
        databases=databases_of(file.databases, folder),
        own_rules=tuple(absolute(text) for text in file.own_rules),
        own_addresses=tuple(own_addresses_of(entry, folder) for entry in file.own_addresses),
        scanners=default_count() if file.scanners is None else file.scanners,
        never_block=parse_network_set(file.never_block or ()),
        heartbeat_ms=file.heartbeat_ms,
        log_level=file.log_level,
    )


def _path_findings(file: SvmConfigFile, config: SvmConfig) -> Iterator[Finding]:
    yield from own_folder(("state_dir",), config.state_dir)
    yield from own_folder(("run_dir",), config.run_dir)
    if len(os.fsencode(config.run_dir)) > MAX_RUN_DIR_BYTES:
        yield Finding(
            ("run_dir",), f"has more than {MAX_RUN_DIR_BYTES} bytes, too long for sockets in it", "shorten it"
        )
    if config.state_dir == config.run_dir:
        yield Finding(("run_dir",), "is the same folder as state_dir", "give each its own")
    yield from readable(("policy_file",), config.policy_file, folder_too=False)
    yield from readable(("inventory_file",), config.inventory_file, folder_too=False)
    for index, path in enumerate(config.rules):
        yield from readable(("rules", index), path, folder_too=True)
        yield from not_too_large(("rules", index), path, RULE_LIMITS)
    for index, path in enumerate(config.addresses):
        yield from readable(("addresses", index), path, folder_too=False)
    yield from own_findings(config.own_addresses)
    if not config.engine_binary.is_absolute() or shutil.which(config.engine_binary) is None:
        what = f"the program {file.engine.binary} is not there or not executable"
        yield Finding(("engine", "binary"), what, "install Suricata, or give its absolute path")
