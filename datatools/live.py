"""Live metrics and plots of a training run through DVCLive. Only this file imports dvclive."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datatools.errors import MissingExtraError

NOT_KEPT = ("epoch", "images_per_second")


@contextmanager
def live_metrics(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield `log(values)`, called once an epoch: numbers become DVCLive metrics and plots under `folder`.

    dvc.yaml declares them, so DVCLive is told to write no dvc.yaml and no report of its own. The speed is told on
    stderr and not kept: the same training must give the same files. Raises MissingExtraError without dvclive.
    """
    try:
        from dvclive.live import Live
        from scmrepo.exceptions import SCMError
    except ImportError as error:
        raise MissingExtraError("train", "dvclive", "train") from error

    class Metrics(Live):
        """DVCLive that also works before the first commit, where it would ask Git for one."""

        def _init_dvc(self) -> None:
            with suppress(SCMError):
                super()._init_dvc()

    with Metrics(str(folder), dvcyaml=None, report=None, save_dvc_exp=False, monitor_system=False) as live:

        def log(values: dict[str, Any]) -> None:
            """Keep one epoch."""
            for name, value in values.items():
                if name not in NOT_KEPT:
                    live.log_metric(name, value)
            live.next_step()
            sys.stderr.write(
                f"epoch {values['epoch']}: validation loss {values['val_loss']:.3f}, accuracy {values['val_accuracy']:.3f}, "
                f"{values['images_per_second']:,.0f} images/s\n"
            )

        yield log
