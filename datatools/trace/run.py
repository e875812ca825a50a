"""`datatools trace`: the story of whatever a name means."""

from __future__ import annotations

from typing import Any

from datatools.project import Project
from datatools.trace.images import tell_annotation, tell_image, to_story
from datatools.trace.models import tell_model
from datatools.trace.names import ANNOTATION, FIX, IMAGE, resolve
from datatools.trace.place import N_COMMITS, Place
from datatools.trace.records import tell_record

SCHEMA = 1


def trace(project: Project, name: str, n_commits: int = N_COMMITS) -> dict[str, Any]:
    """The story of the image, annotation, model or fix record that `name` means, as a document for JSON.

    An image is named by its path, a file name that only one has, or the first digits of its SHA-256; a model by its file,
    digest (SHA-256, or MD5 as in dvc.lock) or release; a record by its id. The last `n_commits` versions of dvc.lock are
    looked at, in DVC's cache alone. Raises DatatoolsError for a name that means nothing, or several things.
    """
    place = Place(project, n_commits)
    named = resolve(place, name)
    if named.kind == IMAGE:
        story = tell_image(place, named.key)
    elif named.kind == ANNOTATION:
        story = tell_annotation(place, named.key)
    elif named.kind == FIX:
        story = tell_record(place, named.key)
    else:
        story = tell_model(place, named.key)
    looked = {"versions": len(place.past.states), "older_left_out": place.past.is_cut}
    return to_story({"schema": SCHEMA, **story, "looked_at": looked})
