"""Labels and annotators that are wrong, planted in clothing (tables) and bccd (COCO)."""

from __future__ import annotations

from quality.board import Board, Row, numbered, write_coco, write_table
from quality.seed import seed

SOME = 400
ANNOTATORS = ("anna", "ben", "chloe")


def label_of(board: Board, row: Row) -> str:
    return next(item["name"] for item in board.document["categories"] if item["id"] == row["category_id"])


@seed("LBL001", "class id that is not defined", "bccd", write_coco)
def undefined_id(board: Board, n: int) -> None:
    defined = {row["id"] for row in board.document["categories"]}
    for row in board.annotations(n):
        row["category_id"] = board.rng.choice([0, -1, max(defined) + 1, 999])
        board.mark(row)


@seed("LBL001", "label that is not in classes.txt", "clothing", write_table, n_images=SOME)
def unknown_label(board: Board, n: int) -> None:
    for row in board.annotations(n):
        row["category_id"] = board.rng.choice(["Trousers", "11", "unknown", "Dres"])
        board.mark(row)


@seed("LBL002", "row missing", "clothing", write_table, n_images=SOME)
def drop_label(board: Board, n: int) -> None:
    for row in board.annotations(n):
        board.mark_image(board.name_of(row))
        board.document["annotations"].remove(row)


@seed("LBL004", "case, space or hyphen", "clothing", write_table, n_images=SOME, per_round=5)
def write_variants(board: Board, n: int) -> None:
    labels = sorted({label_of(board, row) for row in board.document["annotations"]})
    pairs = []
    for label in board.rng.sample(labels, min(n, len(labels))):
        ways = [label.lower(), label.upper(), label.swapcase(), f"{label[0].lower()}{label[1:]}"]
        if "-" in label:
            ways += [label.replace("-", ""), label.replace("-", " "), label.replace("-", "_")]
        variant = board.rng.choice(ways)
        rows = [row for row in board.document["annotations"] if row["category_id"] in _ids(board, label)]
        for row in board.rng.sample(rows, min(len(rows), board.rng.choice([1, 3]))):
            row["category_id"] = variant
        board.mark_subject(variant, label)
        pairs.append(variant)
    names = [row["name"] for row in board.document["categories"]]
    board.texts["classes.txt"] = "\n".join([*names, *pairs]) + "\n"


def _ids(board: Board, label: str) -> list[int]:
    return [row["id"] for row in board.document["categories"] if row["name"] == label]


@seed("LBL005", "image file gone", "bccd", write_coco, per_round=100)
@seed("LBL005", "image file gone, table", "clothing", write_table, n_images=SOME, per_round=100)
def lose_image(board: Board, n: int) -> None:
    for name in board.images(n):
        del board.files[name]
        board.mark_image(name)


@seed("LBL006", "second label by one annotator", "clothing", write_table, n_images=SOME, per_round=20)
def label_twice(board: Board, n: int) -> None:
    for row in board.annotations(n):
        others = [item["id"] for item in board.document["categories"] if item["id"] != row["category_id"]]
        board.add(row, category_id=board.rng.choice(others))
        board.mark(row)


@seed("LBL007", "class with 1 to 9 images", "clothing", write_table, per_round=5, n_images=SOME)
def thin_out(board: Board, n: int) -> None:
    """New classes with few images; those of the set keep more than the bar."""
    names = [row["name"] for row in board.document["categories"]]
    counts: dict[int, int] = {}
    for row in board.document["annotations"]:
        counts[row["category_id"]] = counts.get(row["category_id"], 0) + 1
    for row in list(board.document["annotations"]):  # the copy's own small classes are merged into one
        if counts[row["category_id"]] < 25:
            row["category_id"] = max(counts, key=lambda label: counts[label])
    counts = {label: count for label, count in counts.items() if count >= 25}
    rare = [f"rare {number}" for number in range(n)]
    board.document["categories"] = [row for row in board.document["categories"] if row["id"] in counts]
    for number, name in enumerate(rare):
        new = {"id": len(names) + 1 + number, "name": name}
        board.document["categories"].append(new)
        size = board.rng.choice([1, board.rng.randint(1, 9), 9])
        large = [row for row in board.document["annotations"] if row["category_id"] == max(counts, key=counts.get)]  # type: ignore[arg-type]
        for row in board.rng.sample(large, size):
            row["category_id"] = new["id"]
        board.mark_subject(name)


@seed("LBL008", "listed, nothing drawn", "bccd", write_coco, per_round=15)
def draw_nothing(board: Board, n: int) -> None:
    """In 4 of 100 images: from 1 in 20 on the check takes empty images for part of the data."""
    for name in board.images(n):
        number = next(image["id"] for image in board.document["images"] if image["file_name"] == name)
        rows = board.document["annotations"]
        board.document["annotations"] = [row for row in rows if row["image_id"] != number]
        board.mark_image(name)


@seed("LBL008", "not in the annotation file", "bccd", write_coco, per_round=100)
def forget_image(board: Board, n: int) -> None:
    draw_nothing(board, n)
    gone = {name for names, _, _ in board.spoilt for name in names}
    board.document["images"] = [image for image in board.document["images"] if image["file_name"] not in gone]


PLAN = 30  # images a class


@seed(
    "DST001", "fewer than planned", "clothing", write_table, n_images=900, per_round=5,
    params={"planned": {f"planned {number}": PLAN for number in range(10)}},
)  # fmt: skip
def miss_the_plan(board: Board, n: int) -> None:
    """Ten planned classes, of which `n` fall short by 1 to all but 0 images."""
    labels = [f"planned {number}" for number in range(10)]
    rows = list(board.document["annotations"])
    board.rng.shuffle(rows)
    short = set(board.rng.sample(labels, n))
    board.document["categories"] = [*numbered(labels), {"id": 11, "name": "other"}]
    for row in rows:
        row["category_id"] = 11
    at = 0
    for number, label in enumerate(labels, start=1):
        size = PLAN
        if label in short:
            size = board.rng.choice([PLAN - 1, board.rng.randint(1, PLAN - 1), 0])
            board.mark_subject(label)
        for row in rows[at : at + size]:
            row["category_id"] = number
        at += size


# ---- annotators ----


def _rate(board: Board, change: dict[str, dict[int, str]]) -> None:
    """`labels/<annotator>.csv` of three people who agree, but for `change`: annotator -> annotation id -> label."""
    names = {image["id"]: image["file_name"] for image in board.document["images"]}
    for who in ANNOTATORS:
        lines = [
            f"images/{names[row['image_id']]},{change.get(who, {}).get(row['id'], label_of(board, row))}"
            for row in board.document["annotations"]
        ]
        board.texts[f"labels/{who}.csv"] = "\n".join(["path,label", *lines]) + "\n"


def _other(board: Board, label: str) -> str:
    return str(board.rng.choice([row["name"] for row in board.document["categories"] if row["name"] != label]))


@seed("AGR001", "one annotator guesses", "clothing", write_table, n_images=80, per_round=1)
def guess(board: Board, n: int) -> None:
    """The share of guesses runs from 30 % (kappa 0.66 to 0.7 of a bar of 0.8) to all."""
    who = board.rng.choice(ANNOTATORS)
    share = board.rng.choice([0.3, board.rng.uniform(0.3, 1.0)])
    rows = board.document["annotations"]
    some = board.rng.sample(rows, round(share * len(rows)))
    _rate(board, {who: {row["id"]: _other(board, label_of(board, row)) for row in some}})
    board.mark_subject(who, "all", "class ")  # pairs with them, all together, and classes


@seed("AGR002", "one annotator confuses two classes", "clothing", write_table, n_images=300, per_round=1)
def confuse(board: Board, n: int) -> None:
    """From 5 images and 12 % of a class on; the bar is 5 images and 10 %."""
    by_label: dict[str, list[Row]] = {}
    for row in board.document["annotations"]:
        by_label.setdefault(label_of(board, row), []).append(row)
    label = board.rng.choice([name for name, rows in by_label.items() if len(rows) >= 8])
    rows = by_label[label]
    who, given = board.rng.choice(ANNOTATORS), _other(board, label)
    least = max(5, round(0.12 * len(rows) + 0.5))
    some = board.rng.sample(rows, board.rng.choice([least, board.rng.randint(least, len(rows))]))
    _rate(board, {who: {row["id"]: given for row in some}})
    board.mark_subject(who, label, given)


@seed("AGR003", "one of three says otherwise", "clothing", write_table, n_images=SOME)
def disagree(board: Board, n: int) -> None:
    change: dict[str, dict[int, str]] = {who: {} for who in ANNOTATORS}
    for row in board.annotations(n):
        change[board.rng.choice(ANNOTATORS)][row["id"]] = _other(board, label_of(board, row))
        board.mark(row)
    _rate(board, change)
