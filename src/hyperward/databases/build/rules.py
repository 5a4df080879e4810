"""The rules of all sources, as they go into a version: only what is on, once, and accepted by the engine itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperward.databases.sources.gather import Gathered
from hyperward.ips.rules.check import compile_checked
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.rule import LocatedRule, RuleId, RuleProblem
from hyperward.ips.rules.source import read_rules
from hyperward.policy.actions import Action

_ALL_CLASSES = CompileOptions(other=Action.IGNORE)
"""With the default options the class `other` would be left out and never be tried."""
_CHECK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RulesOfSource:
    """What a source gives.

    Args:
        text: its rules, one a line, by generator and signature number.
        count: how many.
        problems: rules and lines that could not be used.
    """

    text: bytes
    count: int
    problems: tuple[RuleProblem, ...]


def build_rules(gathered: Sequence[Gathered], *, engine: Path) -> dict[str, RulesOfSource]:
    """Return the rules by source.

    Args:
        gathered: sources of rules; of several rules with one number the one of the highest revision stays.
        engine: the Suricata binary.

    Raises:
        InputError: a source cannot be read at all.
        EngineFault: the engine does not work.
    """
    rules: list[LocatedRule] = []
    problems: dict[str, list[RuleProblem]] = {source.entry.id: [] for source in gathered}
    for source in gathered:
        found = read_rules((source.path,))
        prefix = source.entry.id
        rules += [located._replace(file=f"{prefix}/{located.file}") for located in found.rules if located.rule.enabled]
        problems[prefix] += found.problems
    if not rules:
        return _by_source((), problems)
    compiled = compile_checked(rules, _ALL_CLASSES, engine=engine, timeout_s=_CHECK_SECONDS)
    for problem in compiled.problems:
        name, _, file = problem.file.partition("/")
        problems[name].append(RuleProblem(file, problem.line, problem.sid, problem.reason))
    return _by_source(compiled.sources, problems)


def _by_source(rules: Iterable[LocatedRule], problems: Mapping[str, Sequence[RuleProblem]]) -> dict[str, RulesOfSource]:
    lines: dict[str, list[tuple[RuleId, str]]] = {name: [] for name in problems}
    for located in rules:
        name = located.file.partition("/")[0]
        lines[name].append((located.rule.id, located.rule.text))
    texts = {name: "".join(f"{text}\n" for _, text in sorted(found)) for name, found in lines.items()}
    return {
        name: RulesOfSource(text.encode("latin-1"), len(lines[name]), tuple(sorted(problems[name])))
        for name, text in texts.items()
    }
