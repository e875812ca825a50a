from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.augment.jobs import Job, make_key
from datatools.augment.making import GROUP, GROUP_PIXELS, _groups, collect_copies, name_copy
from datatools.images import encode_png
from datatools.kept_copies import KeptCopies
from datatools.params import AugmentParams
from tests.augment.builders import L_SHAPE, box, draw, polygon
from tests.builders import lay_out

JOB = Job("a.png", "0" * 64, 100, "cat", [box(), polygon()], 2)


def test_a_key_names_content_objects_and_number():
    changed = [
        JOB._replace(path="b.png"),
        JOB._replace(sha256="1" * 64),
        JOB._replace(n_copies=3),
        JOB._replace(objects=JOB.objects[:1]),
        JOB._replace(objects=[{**JOB.objects[0], "x0_px": 0.5}, JOB.objects[1]]),
        JOB._replace(objects=[{**JOB.objects[0], "attributes": '{"keypoints": [1, 2, 2]}'}, JOB.objects[1]]),
        JOB._replace(objects=[{**JOB.objects[0], "annotation_id": "coco/other"}, JOB.objects[1]]),
    ]
    keys = {make_key(job, "m") for job in [JOB, *changed]} | {make_key(JOB, "other code")}
    assert len(keys) == len(changed) + 2


def test_a_key_names_no_class_and_no_annotator():
    renamed = [{**row, "label": "dog", "annotator": "ann", "source": "x"} for row in JOB.objects]
    assert make_key(JOB._replace(label=None, objects=renamed), "m") == make_key(JOB, "m")


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 2 * GROUP_PIXELS)), max_size=80))
def test_groups_hold_all_jobs_in_order_and_are_about_a_batch(sizes: list[tuple[int, int]]):
    jobs = [JOB._replace(n_pixels=n_pixels, n_copies=n_copies) for n_copies, n_pixels in sizes]
    todo = list(range(0, len(jobs), 2))
    groups = list(_groups(jobs, todo))
    assert [number for group in groups for number in group] == todo
    for group in groups:
        but_last = [jobs[number] for number in group[:-1]]
        assert sum(job.n_copies for job in but_last) < GROUP
        assert sum(job.n_copies * job.n_pixels for job in but_last) < GROUP_PIXELS


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    pytest.importorskip("imgaug", reason="augmentation needs the extra 'augment'")
    images = {f"{number}.png": encode_png(draw(L_SHAPE) // (number + 1)) for number in range(4)}
    lay_out(tmp_path / "raw", images)
    return [Job(name, str(number) * 64, 100, "cat", [polygon()], 2) for number, name in enumerate(images)]


def test_what_is_new_and_what_was_kept_stand_in_the_order_of_the_jobs(tmp_path: Path, jobs: list[Job]):
    params, raw = AugmentParams(), tmp_path / "raw"
    kept = KeptCopies(tmp_path / "index.parquet", tmp_path / "out" / "images.tar")
    ticks: list[int] = []
    kept.replace(collect_copies([jobs[1], jobs[3]], params, raw, kept=kept, tick=ticks.append))
    mixed = collect_copies(jobs, params, raw, kept=kept, tick=ticks.append)
    alone = collect_copies(jobs, params, raw)
    assert sum(ticks) == 2 + 2
    assert mixed.rows["file"].tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert mixed.rows["path"].tolist() == [name_copy(job.path, copy) for job in jobs for copy in range(2)]
    assert mixed.rows["job"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert b"".join(mixed.pieces()) == b"".join(alone.pieces())
    kept.replace(mixed)
    again = collect_copies(jobs[::-1], params, raw, kept=kept, tick=ticks.append)
    assert sum(ticks) == 4, "nothing is left to make"
    assert [again.read(row) for row in (0, 1)] == [alone.read(row) for row in (6, 7)]
