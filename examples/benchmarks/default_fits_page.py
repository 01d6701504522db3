"""Write docs/default_fits.rst from docs/results/default_fits.json, which default_fits.py leaves.

python examples/benchmarks/default_fits_page.py
"""

import json
from pathlib import Path
from statistics import median

DOCS = Path(__file__).parents[2] / "docs"

HEAD = """Default fits
============

What a fit comes to when nothing is set: ``AdversarialAutoencoder(2)`` of tables, images and gene
expressions, and ``(8)`` where the table has it. A seed draws at most 2,000 rows of a set at random,
holds 30 % of them out, and is the fit's ``random_state``. Tables are standardised by their training
rows, images and gene expressions are as they come.

{total}

Every figure is one of held-out rows. *Error* is the squared error over that of as many principal
components; *prior* how far codes are from the prior over how far two samples of it are, about 1
where they cannot be told apart; *spread* the least standard deviation of the codes in any
direction, as a share of the prior's: codes below 0.1 have collapsed. *Rows* are those trained on
and those held out.

{hardware} {versions}
Seconds stand in the JSON alone: the machine was busy with other work, for which the fits waited.
The page is written by ``examples/benchmarks/default_fits_page.py`` from what
``examples/benchmarks/default_fits.py`` left.

"""

COLUMNS = {"error": max, "prior": max, "spread": min}
MARKS = ("collapsed", "not finite", "failed", "warnings")

# What was found out about a set's warnings.
WHY = {}


def listed(fits, what):
    """Return the figures of those fits that came to their end."""
    return [fit[what] for fit in fits.values() if what in fit]


def marked(fits, what):
    """Return the seeds of fits with something to count."""
    return [int(seed) for seed, fit in fits.items() if fit.get(what)]


def table(sets):
    names = ["data", "components", "rows", "columns", "seeds"]
    names += [f"{what}, {which}" for what in COLUMNS for which in ("median", "worst")]
    lines = [".. list-table::", "    :header-rows: 1", ""]
    for cells in [names, *(cells_of(name, **content) for name, content in sets.items())]:
        lines += [("    * - " if k == 0 else "      - ") + cell for k, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def cells_of(name, shape, fits):
    n_train, n_held, n_columns = shape
    cells = [*name.rsplit(", ", 1), f"{n_train:,} + {n_held:,}", f"{n_columns:,}", str(len(fits))]
    for what, worst in COLUMNS.items():
        values = listed(fits, what)
        cells += [f"{of(values):.2f}" if values else "" for of in (median, worst)]
    return cells


def total(sets):
    every = [content["fits"] for content in sets.values()]
    data = {name.rsplit(", ", 1)[0] for name in sets}
    counts = {what: sum(len(marked(fits, what)) for fits in every) for what in MARKS}
    n_fits = sum(map(len, every))
    return (
        f"{n_fits:,} fits of {len(data)} sets: {counts['failed']} ended in an error, "
        f"{counts['not finite']} answered what is not finite, {counts['collapsed']} had collapsed "
        f"codes, {counts['warnings']} warned."
    )


def told(sets):
    """Return which fits failed or warned, of what, and why."""
    lines = []
    for name, content in sets.items():
        found = {}
        for seed, fit in content["fits"].items():
            for message in dict.fromkeys(messages(fit)):
                found.setdefault(message, []).append(int(seed))
        lines += [
            f"- {name}: {message}, seeds {seeds} of {len(content['fits'])}."
            for message, seeds in found.items()
        ]
        if found and name in WHY:
            lines[-1] += f" {WHY[name]}"
    return "\n".join(lines) if lines else "Nothing."


def messages(fit):
    """Return what is to be told of a fit."""
    found = [what for what in ("collapsed", "not finite") if fit.get(what)]
    quoted = [*fit["warnings"], *([fit["failed"]] if "failed" in fit else [])]
    return found + [f"``{message} ...``" for message in quoted]


def main():
    content = json.loads((DOCS / "results" / "default_fits.json").read_text())
    machine, sets = content["hardware"], content["sets"]
    head = HEAD.format(
        hardware=f"{machine['processor']}, one thread of {machine['cores']} cores, no GPU.",
        versions=", ".join(f"{name} {value}" for name, value in content["versions"].items()) + ".",
        total=total(sets),
    )
    title = "What went wrong"
    text = f"{head}{table(sets)}\n{title}\n{'-' * len(title)}\n\n{told(sets)}\n"
    (DOCS / "default_fits.rst").write_text(text)


if __name__ == "__main__":
    main()
