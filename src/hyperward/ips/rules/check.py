"""Tries a compiled rule file in the engine itself (`suricata -T`) and compiles again without what it refused."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from hyperward.errors import EngineFault
from hyperward.ips.rules.classify import Classification
from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.compiled import CompiledRuleSet
from hyperward.ips.rules.data import check_config_path, classification_path, reference_path
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule, RuleId

_log = structlog.get_logger(__name__)

_REFUSED = re.compile(
    r'detect\|error parsing signature "(?P<text>.*?)(?:" from file [^"]* at line (?P<line>[0-9]+))?\Z'
)
"""The engine cuts messages at 2,048 bytes (`SC_LOG_MAX_LOG_MSG_LEN`), so the line of a long rule may be missing."""
_ROUNDS = 5


def check_rules(
    compiled: CompiledRuleSet, *, engine: Path, config: Path | None = None, timeout_s: float = 180.0
) -> dict[RuleId, str]:
    """Return the rules that the engine refuses, with its reason.

    Args:
        compiled: the rule file to try.
        engine: the Suricata binary.
        config: the engine configuration to try it under; by default one that enables every protocol.
        timeout_s: seconds that the engine may take.

    Raises:
        EngineFault: the engine cannot be started, takes too long, or fails without naming a rule.
    """
    with TemporaryDirectory(prefix="hyperward-check-") as name:
        folder = Path(name)
        rules, log = folder / "check.rules", folder / "check.log"
        rules.write_bytes(compiled.text)
        config_copy = folder / "check.yaml"
        config_copy.write_bytes((config or check_config_path()).read_bytes() + _logging(log))
        code = _run(
            [
                str(engine), "-T", "-c", str(config_copy), "-S", str(rules), "-l", name,
                # Nothing is matched here: what builds fastest is right, a tenth of the time of Hyperscan.
                "--set", "mpm-algo=ac-ks", "--set", "spm-algo=bm",
                "--set", f"classification-file={classification_path()}",
                "--set", f"reference-config-file={reference_path()}",
            ],
            timeout_s,
        )  # fmt: skip
        messages = _errors(log)
    refused = dict(_refused(messages, compiled))
    if code != 0 and not refused:
        told = "; ".join(messages) or f"exit code {code}, no message"
        raise EngineFault(f"the engine refused the rule file without naming a rule ({told[:500]})", where=str(engine))
    return refused


def compile_checked(
    rules: Iterable[LocatedRule],
    options: CompileOptions,
    *,
    engine: Path,
    classify: Callable[[LocatedRule], Classification] | None = None,
    config: Path | None = None,
    timeout_s: float = 180.0,
) -> CompiledRuleSet:
    """Compile rules, try them in the engine, and compile again without those that it refused.

    The refused ones are among `problems` of the result, with source file and line. What one run accepted is not tried
    again.

    Raises:
        EngineFault: see `check_rules`; also when every round brings other refusals.
    """
    rules = tuple(rules)
    refused: dict[RuleId, str] = {}
    accepted: set[tuple[RuleId, str]] = set()
    for _ in range(_ROUNDS):
        compiled = compile_rules(rules, options, classify=classify, refused=refused)
        identities = {(located.rule.id, located.rule.text) for located in compiled.sources}
        if identities <= accepted:
            return compiled
        found = check_rules(compiled, engine=engine, config=config, timeout_s=timeout_s)
        if not found:
            return compiled
        _log.info("engine refused rules", count=len(found))
        refused |= {number: f"the engine refuses it ({reason})" for number, reason in found.items()}
        accepted |= {identity for identity in identities if identity[0] not in found}
    raise EngineFault("the engine goes on to refuse rules", where=str(engine), hint="check the rule sources")


def _logging(log: Path) -> bytes:
    """Return the configuration of a plain log of errors. The engine's JSON log is broken for long messages."""
    return f"""
logging:
  default-log-level: error
  outputs:
  - console: {{enabled: no}}
  - file: {{enabled: yes, level: error, filename: "{log}", format: "%S|"}}
""".encode()


def _run(command: Sequence[str], timeout_s: float) -> int:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        hint = "use fewer rules, or allow more time"
        raise EngineFault(f"took more than {timeout_s:g} s over a rule file", where=command[0], hint=hint) from None
    except OSError as error:
        raise EngineFault(
            f"cannot be started ({error.strerror})", where=command[0], hint="install Suricata 7"
        ) from None


def _errors(log: Path) -> list[str]:
    """Return the engine's errors as `subsystem|message`."""
    return log.read_bytes().decode("latin-1").split("\n")[:-1] if log.exists() else []


def _refused(messages: Iterable[str], compiled: CompiledRuleSet) -> Iterator[tuple[RuleId, str]]:
    """Map the engine's messages to rules: reasons come first, then the message that names the rule."""
    lines = compiled.text.decode("latin-1").split("\n")[:-1]
    reasons: list[str] = []
    last = 0
    for message in messages:
        found = _REFUSED.match(message)
        if found is None:
            reasons.append(message.partition("|")[2])
            continue
        last = _line_of(found, lines, last)
        if last:
            yield compiled.sources[last - 1].rule.id, "; ".join(reasons) or "no reason given"
        reasons = []


def _line_of(found: re.Match[str], lines: Sequence[str], after: int) -> int:
    """Return the number of the line that a message means, 0 when there is none.

    A rule's own text could imitate the end of a message, so the number counts only if the text is that line's.
    """
    number = int(found["line"] or "0")
    if 0 < number <= len(lines) and lines[number - 1] == found["text"]:
        return number
    beginning = found[0].partition('"')[2]
    for later in range(after + 1, len(lines) + 1):
        if lines[later - 1].startswith(beginning):
            return later
    return 0
