from datatools.checks.fix_dispute import find_fix_disputes
from datatools.fixes.apply import apply_fixes
from datatools.schema import ANNOTATIONS
from tests.builders import make_record


def test_a_dispute_is_one_finding_that_says_who_said_what():
    records = [
        make_record("exclude", 1, id="r1"),
        make_record("include", 2, who="bob", id="r2"),
        make_record("exclude", 3, path="b.png", id="r3"),
    ]
    status = apply_fixes(ANNOTATIONS.empty(), records, unannotated=["a.png", "b.png"]).status
    [finding] = find_fix_disputes(status)
    assert (finding.path, finding.annotation_id) == ("a.png", None)
    assert finding.message == "people decided differently: ann: excluded; bob: included"


def test_the_label_that_is_disputed_is_named():
    label = {"path": "a.png", "annotation_id": "label/a.png", "label": "cat", "kind": "label"}
    records = [
        make_record("relabel", 1, before="cat", after="dog", id="r1"),
        make_record("confirm", 2, who="bob", before="cat", id="r2"),
    ]
    [finding] = find_fix_disputes(apply_fixes(ANNOTATIONS.conform([label]), records).status)
    assert (finding.annotation_id, finding.message) == ("label/a.png", "people decided differently: ann: dog; bob: cat")
