"""What a stranger may ask of the service; the operator's file may set each of them otherwise."""

from dataclasses import dataclass, fields
from pathlib import Path

from kanpde.errors import InputError
from kanpde.files.regular import Unreadable, cut_path, read_regular
from kanpde.files.yaml import MAX_BYTES, read_yaml


@dataclass(frozen=True)
class Limits:
    """Bounds on one submission and on the service.

    Args:
        time_limit: Seconds of training of a run.
        parameters: Of the network, all windows together.
        points: Collocation points.
        resolution: Points an axis of the archived grid.
        windows: Of time.
        jobs: Of a sweep, and runs of a study.
        queued: Jobs that wait.
        upload: Bytes of a request.
        listeners: Event streams at a time.
        questions: Checks and reports at a time; as many again as `waiting` may wait for their turn.
        waiting: See `questions`.
    """

    time_limit: int = 3600
    parameters: int = 200_000
    points: int = 1_000_000
    resolution: int = 1001
    windows: int = 64
    jobs: int = 500
    queued: int = 1000
    upload: int = 8 * 2**20
    listeners: int = 200
    questions: int = 2
    waiting: int = 32


def limits_of(path: Path | None) -> Limits:
    """The limits in a YAML file, those not named as they are.

    Raises:
        InputError: The file cannot be read, or names a limit that there is not.
    """
    if path is None:
        return Limits()
    try:
        values = read_yaml(read_regular(path, MAX_BYTES, links=True).decode("utf-8-sig"), path.name)
    except (Unreadable, UnicodeDecodeError) as reason:
        raise InputError(f"--limits needs a text in UTF-8; {cut_path(path)}: {reason}. Check the path.") from None
    names = [field.name for field in fields(Limits)]
    if not isinstance(values, dict) or not all(
        name in names and isinstance(value, int) and value > 0 for name, value in values.items()
    ):
        raise InputError(f"{path.name} needs lines as jobs: 100; limits are {', '.join(names)}, whole numbers over 0.")
    return Limits(**values)
