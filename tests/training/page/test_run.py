"""The page of a run: it says what the record says, beside the trivial predictor, and needs nothing else."""

from __future__ import annotations

import re
from html import unescape

from arcvae.audio.task import AudioTask
from arcvae.training.page.comparison import comparison_page
from arcvae.training.page.run import LARGEST, findings, run_page, trivial_level
from arcvae.training.record import RunRecord
from arcvae.training.task import Task
from tests.training.page.offline import elements, require_offline
from tests.training.page.records import HOSTILE, record

PNG = b"\x89PNG\r\n\x1a\n"


def made(found: RunRecord, **changes: object) -> str:
    values = {"command": "python -m arcvae.train seed=7", "changes": [], "pictures": {}} | changes
    return run_page(found, Task(), **values)  # type: ignore[arg-type]


def rows(page: str, section: str) -> list[list[str]]:
    """Text of the cells of the tables in a section."""
    (body,) = re.findall(rf'<section id="{section}">(.*?)</section>', page, re.DOTALL)
    lines = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [unescape(re.sub(r"<.*?>", "", cell)) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", line)]
        for line in lines
    ]


def test_page_needs_nothing_else_and_begins_with_the_verdict() -> None:
    page = made(record(), pictures={"curve": PNG + b"1"})
    require_offline(page)
    order = [page.index(text) for text in ("No collapse", "accuracy <b>0.75</b>", "majority-class: 0.6", "<main>")]
    assert order == sorted(order)
    collapsed = made(record(verdict={"mode_collapse": True}))
    assert '<p class="verdict bad">MODE COLLAPSE' in collapsed


def test_every_figure_stands_beside_the_trivial_predictor() -> None:
    found = rows(made(record()), "figures")
    assert found[0] == ["", "test", "majority-class", "val", "logit adjusted"]
    assert found[1] == ["accuracy", "0.75", "0.6", "0.7", "0.8"]
    assert ["loss", "1.25", "—", "1.25", "—"] in found


def test_without_a_test_split_the_figures_are_of_validation() -> None:
    found = rows(made(record(test=None, baseline_split="val")), "figures")
    assert found[0][:3] == ["", "val", "majority-class"]
    assert found[1][:2] == ["accuracy", "0.7"]


def test_classes_have_a_row_each_and_absent_ones_a_dash() -> None:
    page = made(record(class_weights=[0.5, 1.0, 2.0]))
    found = rows(page, "classes")
    assert found[1] == ["none", "900", "0.5", "1", "0.9", "0.9", "1"]
    assert found[3] == ["rarest", "10", "2", "—", "0", "0", "0"]
    swapped = record(class_counts=[10, 90, 900])  # the frequent ones come first where no class stands for nothing
    assert [row[0] for row in rows(made(swapped), "classes")[1:]] == ["rarest", "rare", "none"]


def test_curves_have_the_figures_of_the_history() -> None:
    page = made(record())
    assert 'aria-label="loss. train: last 1; val: last 1.25"' in page
    assert 'aria-label="accuracy. val: last 0.7"' in page
    assert "curves" not in [a.get("id") for tag, a in elements(made(record(history=[]))) if tag == "section"]


def test_curves_of_validation_have_the_line_of_the_trivial_predictor_on_validation() -> None:
    logged = [row | {"trivial/accuracy": 0.55} for row in record().history]
    assert trivial_level(record(history=logged), "accuracy") == 0.55
    assert trivial_level(record(), "accuracy") is None  # that of the test split is known, 0.6
    assert trivial_level(record(baseline_split="val"), "accuracy") == 0.6
    assert trivial_level(record(baseline_split="val"), "loss") is None
    for found, lines in ((record(), 0), (record(history=logged), 1)):
        assert made(found).count('class="trivial"') == lines
        assert made(found).count('class="dashed"') == lines  # in the legend
        assert comparison_page("", {"a": [found]}, Task()).count('class="trivial"') == lines
        assert comparison_page("", {"a": [found]}, Task()).count('class="dashed"') == lines


def test_findings_have_evidence_cause_and_remedy() -> None:
    finding = {"name": "mode collapse", "evidence": "99 %", "cause": "no weights", "remedy": "loss=option_b"}
    assert re.sub(r"<.*?>", " ", findings([finding])).split() == (
        ["mode", "collapse", "Evidence:", "99", "%", "Cause:", "no", "weights", "Remedy:", "loss=option_b"]
    )
    assert "Nothing stands out" in findings([])


def test_nothing_that_a_run_says_is_run() -> None:
    hostile = record(
        run_id=HOSTILE, command=[HOSTILE], class_names=[HOSTILE] * 3, version=HOSTILE, monitor=f"val/{HOSTILE}",
        corpus={"path": HOSTILE}, software={"packages": {HOSTILE: HOSTILE}}, sample_unit=HOSTILE,
        verdict={HOSTILE: True, f"{HOSTILE}2": HOSTILE}, findings=[{"name": HOSTILE, "evidence": HOSTILE}],
        val=record().val | {HOSTILE: 0.5}, test=record().val | {HOSTILE: 0.5},
    )  # fmt: skip
    page = made(hostile, command=HOSTILE, changes=[(HOSTILE, HOSTILE, [HOSTILE])], pictures={HOSTILE: PNG, "x": b"no"})
    require_offline(page)
    assert "<script" not in page
    assert page.count("<img") == 1


def test_changes_and_command_are_told() -> None:
    page = made(record(), changes=[("loss.gamma", 2.0, None), ("seed", 42, 7)])
    assert rows(page, "changes") == [["key", "default", "here"], ["loss.gamma", "2.0", "—"], ["seed", "42", "7"]]
    assert "<pre><code>python -m arcvae.train seed=7</code></pre>" in page
    assert ["seed", "7"] in rows(page, "again")
    assert "Nothing: this is what" in made(record())


def test_page_is_never_larger_than_it_may_be() -> None:
    large = {f"picture {index}": PNG + bytes(1_500_000) for index in range(6)}
    page = made(record(), pictures=large)
    assert 6_000_000 < len(page.encode()) <= LARGEST
    assert "In the run folder, but not here: picture 3, picture 4, picture 5." in page


def test_task_gives_its_own_names() -> None:
    values = record().test
    page = run_page(record(test=values), AudioTask(), command="", changes=[], pictures={})
    assert AudioTask.trivial_name in page
