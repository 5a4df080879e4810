"""How long the rule compiler takes: `python bench/rules.py [SOURCE ...]`, without sources 50,000 made-up rules.

Prints the seconds of reading, classifying and compiling, and the ratio to the limit of 10 s for 50,000 rules.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hyperward.ips.rules.compile import compile_rules
from hyperward.ips.rules.options import CompileOptions
from hyperward.ips.rules.source import read_rules
from hyperward.policy.resolve import Variant

COUNT = 50_000
LIMIT_S_PER_RULE = 10.0 / 50_000
CATEGORIES = (
    ("MALWARE", "trojan-activity"),
    ("EXPLOIT", "attempted-admin"),
    ("ADWARE_PUP", "pup-activity"),
    ("INFO", "misc-activity"),
    ("COINMINER", "coin-mining"),
)


def made_up_rules(count: int) -> str:
    """Return rules of the size and make of a common feed: about 600 bytes, 14 options, a flowbit in each tenth."""
    lines = []
    for number in range(count):
        category, classtype = CATEGORIES[number % len(CATEGORIES)]
        state = f"flowbits:{('set', 'isset')[number // 10 % 2]},made.{number % 500};" if number % 10 == 0 else ""
        lines.append(
            f'alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"ET {category} Made up Check-in {number}"; '
            f'flow:established,to_server; {state} http.method; content:"POST"; http.uri; '
            f'content:"/gate{number}.php?id="; startswith; fast_pattern; '
            f'http.user_agent; content:"Mozilla/5.0 (Windows NT 10.0\\; Win64)"; bsize:36; '
            f'pcre:"/^\\/gate{number}\\.php\\?id=[0-9a-f]{{32}}$/U"; reference:url,example.test/report/{number}; '
            f"reference:md5,{number:032x}; classtype:{classtype}; sid:{3_000_000 + number}; rev:{1 + number % 9}; "
            f"metadata:attack_target Client_Endpoint, created_at 2025_01_01, deployment Perimeter, confidence High, "
            f"signature_severity Major, updated_at 2025_01_02, mitre_tactic_id TA0011, mitre_technique_id T1071;)"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        sources = [Path(argument) for argument in sys.argv[1:]]
        if not sources:
            sources = [Path(folder) / "made-up.rules"]
            sources[0].write_text(made_up_rules(COUNT))
        start = time.perf_counter()
        read = read_rules(sources)
        done_reading = time.perf_counter()
        compiled = compile_rules(read.rules, CompileOptions())
        done = time.perf_counter()
        compile_rules(read.rules, CompileOptions(variant=Variant.OBSERVE))
        done_again = time.perf_counter()
    count = len(read.rules)
    print(
        f"rules read {count}, kept {len(compiled.sources)}, bytes {len(compiled.text)}, problems {len(read.problems)}"
    )
    for name, seconds in (
        ("read", done_reading - start),
        ("compile", done - done_reading),
        ("compile again, other variant", done_again - done),
        ("read and compile", done - start),
    ):
        ratio = seconds / (LIMIT_S_PER_RULE * count)
        print(
            f"{name}: {seconds:.2f} s, {1000 * seconds / count * 1000:.1f} ms per 1,000 rules, {ratio:.3f} of the limit"
        )


if __name__ == "__main__":
    main()
