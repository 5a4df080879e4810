import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperward.webscan.scanner.blockpage import MAX_TEMPLATE, NAMES, PageValues, TemplateError, built_in, parse_template

VALUES = PageValues(
    address='evil.test/<script>alert("x")</script>',
    category="malicious",
    vm="vm-1",
    policy="office",
    time="2026-01-02 03:04:05 UTC",
    event="0190-id",
    contact="call 123 & ask",
    svm="svm-1",
)


def test_the_built_in_page_names_everything_escaped_and_fetches_nothing() -> None:
    page = built_in().render(VALUES).decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;x&quot;)" in page
    for text in ("malicious", "vm-1", "office", "2026-01-02 03:04:05 UTC", "0190-id", "call 123 &amp; ask", "svm-1"):
        assert text in page
    for word in ("http:", "https:", "src=", "url(", "@import"):
        assert word not in page


def test_a_template_of_the_operator() -> None:
    page = parse_template("a { } <b>{{ vm }}</b>\n{{address}}")
    assert page.render(VALUES).startswith(b"a { } <b>vm-1</b>\nevil.test/&lt;script")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("line\n  {{ nothing }}", "block_page, line 2, column 3", "no such placeholder: 'nothing'"),
        ("{{vm}} {{vm", "block_page, line 1, column 8", "not closed"),
        ("{{vm {{address}}", "block_page, line 1, column 1", "not closed"),
        ("{{}}", "block_page, line 1, column 1", "no such placeholder"),
        ("{{vm.__class__}}", "block_page, line 1, column 1", "no such placeholder"),
        ("x" * (MAX_TEMPLATE + 1), "block_page", "bytes"),
    ],
)
def test_a_bad_template_is_refused_with_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse_template(text)
    assert refused.value.where == where
    assert what in refused.value.what


@given(st.text(alphabet="{}vm \nx", max_size=40), st.sampled_from(NAMES))
def test_any_text_is_a_template_or_refused(text: str, name: str) -> None:
    try:
        page = parse_template(text + "{{" + name + "}}")
    except TemplateError:
        return
    page.render(VALUES)


def test_long_values_are_cut() -> None:
    import dataclasses

    page = parse_template("{{address}}").render(dataclasses.replace(VALUES, address="a" * 5000)).decode()
    assert len(page) == 1000
    assert page.endswith("…")
