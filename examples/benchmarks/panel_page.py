"""Write docs/panel.rst from docs/results/panel.json, which panel.py leaves.

python examples/benchmarks/panel_page.py
"""

import json
from pathlib import Path
from statistics import median

DOCS = Path(__file__).parents[2] / "docs"

HEAD = """A panel of data sets
====================

What other reducers and skaae make of the same rows: every one with its defaults (skaae also with
``neighbors_weight=1``, as a map), every figure one of rows that it has not seen, medians over as
many seeds of the fit as the column says. Which of them is for what: :doc:`guide/coming_from`.

*Error* is the squared error over that of as many principal components; *10-NN* the share of rows
whose class ten neighbours among the training codes tell; *trust* trustworthiness; *linear* the
accuracy of a linear support vector machine behind the reducer; *prior* how far codes are from the
prior over how far two samples of it are; *told* how often trees tell samples from rows (50 % is
best) and, behind the stroke, samples drawn with ``source="aggregated_posterior"``.

Tables are standardised by their training rows, images and gene expressions are as they come.
Letters and MNIST, which the script has too, were not run here (MNIST beside UMAP: :doc:`speed`),
and KernelPCA, PaCMAP and pythae on the first five sets alone. What is not named
``neighbors_weight=1`` of these, and their pictures, are of a state of the code from before maps
were carried to the prior as :doc:`guide/maps` says. Seconds stand in the JSON alone: the machines
were busy with other work.

Of the eleven sets in the plane, the map is within 0.02 of openTSNE in accuracy and trustworthiness
on eight: not on usps (trustworthiness 0.023 less), satimage (accuracy 0.03 less), and olivetti, of
seven rows a person (0.225 less). On single-cell counts as they come, pbmc3k, it tells 0.09 more.
{hardware} {versions}
The page is written by ``examples/benchmarks/panel_page.py`` from what
``examples/benchmarks/panel.py`` left.

"""

COLUMNS = {
    "error": "squared error over PCA's",
    "10-NN": "10-NN accuracy",
    "trust": "trustworthiness",
    "linear": "linear SVC accuracy",
    "prior": "distance ratio",
}
TOLD = [
    f"samples told from rows, from the {source}" for source in ("prior", "aggregated posterior")
]


def table(rows):
    names = ["reducer", *COLUMNS, "told", "seeds"]
    lines = [".. list-table::", "    :header-rows: 1", ""]
    lines += [("    * - " if k == 0 else "      - ") + name for k, name in enumerate(names)]
    for reducer, figures in rows.items():
        cells = [reducer]
        for what in COLUMNS.values():
            value = median(figures[what]) if what in figures else None
            cells.append("" if value is None else f"{value:.3f}")
        told = [f"{median(figures[what]):.0%}" for what in TOLD if what in figures]
        cells += [" / ".join(told), str(len(figures["trustworthiness"]))]
        lines += [("    * - " if k == 0 else "      - ") + cell for k, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def main():
    content = json.loads((DOCS / "results" / "panel.json").read_text())
    machine = content["hardware"]
    hardware = f"{machine['processor']}, one thread of {machine['cores']} cores, no GPU."
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items()) + "."
    parts = [HEAD.format(hardware=hardware, versions=versions)]
    for data, rows in content["rows"].items():
        name, n_components = data.rsplit(", ", 1)
        title = f"{name}, {n_components} components"
        parts.append(f"{title}\n{'-' * len(title)}\n\n{table(rows)}\n")
        picture = f"panel_{name.replace(' ', '_')}.png"
        if n_components == "2" and (DOCS / "results" / picture).exists():
            parts.append(
                f".. image:: results/{picture}\n    :alt: maps of held-out rows of {name}\n\n"
            )
    (DOCS / "panel.rst").write_text("".join(parts))


if __name__ == "__main__":
    main()
