"""`python -m kanpde.service.job FOLDER SHARE`: one job by itself, as batch systems start it."""

import json
import sys
from pathlib import Path

from kanpde.service.folders import JobFolder
from kanpde.service.work import perform

if __name__ == "__main__":
    path, share = Path(sys.argv[1]), json.loads(sys.argv[2])
    lock = JobFolder(path).hold()
    if lock is not None:
        perform(path, share, lock)
