"""Where a compact file of NAS-Bench-101 may be: tests that need one are skipped where it is missing."""

import os
from pathlib import Path

TABLE = Path(
    os.environ.get("TRANSFERNAS_NASBENCH101", Path(__file__).parent.parent / "../shared/data/nasbench101-surrogate.npz")
)
MISSING = f"no table of NAS-Bench-101 at {TABLE}; name one in TRANSFERNAS_NASBENCH101"
