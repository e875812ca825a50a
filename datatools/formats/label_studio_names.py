"""The names in Label Studio JSON (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

LOCAL = "/data/local-files/?d="
LISTS = ("annotations", "completions", "predictions")
TYPES = {"box": "rectanglelabels", "ring": "polygonlabels", "rle": "brushlabels", "ellipse": "ellipselabels"}
TYPES |= {"rotated_box_about_corner": "rectanglelabels", "point": "keypointlabels", "label": "choices"}
TAGS = {"rectanglelabels": "RectangleLabels", "polygonlabels": "PolygonLabels", "brushlabels": "BrushLabels"}
TAGS |= {"ellipselabels": "EllipseLabels", "keypointlabels": "KeyPointLabels", "choices": "Choices", "labels": "Labels"}
SHAPES = {"rectangle", "polygon", "brush", "ellipse", "keypoint", "labels"} | set(TAGS) - {"choices"}
GEOMETRY = {"x", "y", "width", "height", "rotation", "points", "radiusX", "radiusY", "rle", "format"}
RESULT_KEYS = {"from_name", "to_name", "origin", "score", "parentID", "readonly", "hidden", "locked"}
TASK_KEYS = {"id", "created_at", "updated_at", "inner_id", "project", "file_upload", "drafts", "updated_by", "overlap"}
TASK_KEYS |= {"total_annotations", "cancelled_annotations", "total_predictions", "is_labeled", "comment_authors"}
TASK_KEYS |= {"comment_count", "unresolved_comment_count", "last_comment_updated_at"}
