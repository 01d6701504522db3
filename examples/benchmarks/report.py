"""Figures of a benchmark, printed as they come and kept as JSON with where they come from.

A processor other than the one whose figures are there has a file of its own beside them.
"""

import json
import re
import sys
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parents[1]))
from provenance import hardware, versions

RESULTS = Path(__file__).parents[2] / "docs" / "results"


class Report:
    def __init__(self, name, folder=RESULTS):
        self.path = folder / f"{name}.json"
        self.rows = self._rows()
        processor = hardware()["processor"]
        if any(row["hardware"]["processor"] != processor for row in self.rows.values()):
            short = re.sub(r"\W+", "_", processor).strip("_").lower()
            self.path = folder / f"{name}-{short}.json"
            self.rows = self._rows()

    def _rows(self):
        return json.loads(self.path.read_text())["rows"] if self.path.exists() else {}

    def add(self, what, values):
        values = [float(value) for value in values]
        spread = f"{min(values):.4g} to {max(values):.4g}"
        print(f"{what:60}{median(values):12.4g}   ({spread})", flush=True)
        self.rows[what] = {"values": values, "hardware": hardware(), "versions": versions()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"rows": self.rows}, indent=1) + "\n")
