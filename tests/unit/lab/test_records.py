from pathlib import Path

from hyperward.lab.records import MAX_TEXT, Record, RecordWriter, parse_guest_logs, read_records


def test_records_read_back_and_long_texts_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "records"
    assert read_records(path) == []
    writer = RecordWriter(path)
    writer.write("http", "request", "::ffff:10.0.0.1", target="/", headers={"A": "x" * 9999}, body_bytes=3)
    writer.write("ssh", "banner", "fd77::9", banner="SSH-2.0-x\n")
    with path.open("ab") as file:
        file.write(b'{"time": 1, "unfini')
    first, second = read_records(path)
    assert (first.service, first.what, first.peer) == ("http", "request", "10.0.0.1")
    assert first.fields == {"target": "/", "headers": {"A": "x" * MAX_TEXT}, "body_bytes": 3}
    assert (second.peer, second.fields["banner"]) == ("fd77::9", "SSH-2.0-x\n")


def test_the_vms_logs_are_read() -> None:
    httpd = "[::ffff:10.77.0.9]:41: connected\n[::ffff:10.77.0.9]:41: url:/a?b=1\n[fd77::9]:42: url:/\n"
    assert parse_guest_logs(httpd, "SSH-2.0-x\r\n") == [
        Record(0.0, "http", "request", "10.77.0.9", {"target": "/a?b=1"}),
        Record(0.0, "http", "request", "fd77::9", {"target": "/"}),
        Record(0.0, "ssh", "banner", "", {"banner": "SSH-2.0-x"}),
    ]
