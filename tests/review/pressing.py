"""A key of the review page, without the page."""

from __future__ import annotations

import json
import urllib.request

from datatools.review.load import NAME

TIMEOUT_S = 60


def press(port: int, action: str, sample: str) -> str:
    """Send what the page sends for the key of `action` on the image `sample`; the message that the App would show.

    Raises OSError where no App answers.
    """
    body = {"operator_uri": f"@datatools/review/{action}", "params": {}, "dataset_name": NAME, "view": []}
    body |= {"current_sample": sample, "selected": [], "extended": {}, "filters": {}}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/operators/execute", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        requests = json.load(response)["executor"]["requests"]
    return "; ".join(item["params"]["message"] for item in requests if item["operator_uri"] == "notify")
