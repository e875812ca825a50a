"""One file per annotation format: load_<fmt> and save_<fmt> around pure from_<fmt> and to_<fmt>."""

AUTO = "auto"
NAMES = (  # in the order in which they are asked; what an earlier one claims, a later one does not get
    "tables",
    "coco",
    "voc",
    "cvat",
    "labelme",
    "label_studio",
    "yolo",
    "index_masks",
    "object_masks",
    "image_folder",
)
