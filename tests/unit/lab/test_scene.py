from datetime import UTC, datetime

from hyperward.lab.outcome import Outcome, Result
from hyperward.lab.plan import plan_lab
from hyperward.lab.records import Record
from hyperward.lab.scenario import CheckKind, checks
from hyperward.lab.scene import Checked, records_since

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_records_are_told_apart_for_each_service() -> None:
    http, ssh = Record(0.0, "http", "request", ""), Record(0.0, "ssh", "banner", "")
    assert records_since([http, ssh], [http, http, http, ssh]) == [http, http]
    assert records_since([http, ssh], [http, ssh, ssh]) == [ssh]
    assert records_since([], [ssh]) == [ssh]
    assert records_since([ssh], [ssh]) == []


def test_a_check_is_shown_with_what_it_proves() -> None:
    download = next(one for one in checks(plan_lab(vms=1), download=10 * 1024**2) if one.kind is CheckKind.DOWNLOAD)
    row = Checked(download, Outcome(Result.COMPLETED, sha256="a"), NOW, 2.0).row()
    assert (row.ok, row.what, row.happened) == (True, "download of 10 MiB, vm1 to out, IPv4", "checksum right, 5 MiB/s")
    failed = Checked(download, Outcome(Result.FAILED, detail="wrong answer"), NOW, 2.0).row()
    assert (failed.ok, failed.happened) == (False, "failed (wrong answer)")
