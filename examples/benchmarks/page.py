"""Write docs/speed.rst from what the scripts of this folder left in docs/results/.

python examples/benchmarks/page.py
"""

import json
from pathlib import Path
from statistics import median

DOCS = Path(__file__).parents[2] / "docs"

SECTIONS = {
    "training_speed": (
        "Training",
        "Rows a second of ``fit`` and of what one would write or install instead, in turns; ratios "
        "pair by pair. The plain loop has three phases, three optimisers and a ``DataLoader``. "
        "Encoder 784-1000-1000-8, its mirror image, and discriminator 8-1000-1000-1; for digits "
        "64-128-128-4. A share of products is what the networks' matrix products come to, over the "
        "rate of products of that batch by 1000 x 1000 weights in the same run. By hand is the "
        "step written out without autograd, with nothing but its products, activations and Adam: "
        "what an engine could come to with these kernels. Busy: beside one endless loop per "
        "core.\n\n"
        "The aims were 3.5, 4 and 5 times the plain loop at batch 100, 256 and 1024, twice at the "
        "small networks, and 2 and 2.5 times pythae at 100 and 256. Those beside pythae are met. "
        "Those beside the plain loop are missed, on the AMD by a little at 100 and 256 (measured "
        "before one pass of the discriminator served both samples), on the Intel, which is quick "
        "in float32 too, by a third: the step by hand is 2.8 to 3.6 times the plain loop there, "
        "and skaae comes to 85 to 88 % of it. (That run shared its host with others, as the "
        "spread shows; a quieter one of code 3 to 8 % slower had 2.75, 3.16 and 3.39.) At batch "
        "1024 five times would be four fifths of what the AMD multiplies in bfloat16 with nothing "
        "else to do. At digits the Intel comes within 4 % of the aim.\n\n"
        "At the small networks autograd's notes take as long as the products. Two ways around "
        "them took in Python what they saved: networks as one function of autograd's each were "
        "about 5 % slower at digits and at batch 100, and quicker at 1024 alone; written-out "
        "passes between which autograd saw the losses alone were 5 to 10 % slower everywhere.\n\n"
        "Quality is that of 10,000 test rows of MNIST after ten epochs of 20,000, over three "
        "seeds: in bfloat16 what it is in float32, and better than the plain loop's.",
    ),
    "time_to_quality": (
        "A map in the plane",
        "MNIST, 60,000 rows; quality on 10,000 test rows that no fit has seen. Each reducer with "
        "its defaults, once; skaae after so many epochs of a fit that was asked for so many.",
    ),
    "maps": (
        "Maps that keep neighbours",
        "MNIST, 60,000 rows; quality on 10,000 test rows that no fit has seen, trustworthiness on "
        "5,000 of them. Fits in turns, the search for neighbours counted. Distance from the prior: "
        "over that of two samples of it; codes told from the prior: by trees, 0.5 is a perfect "
        "match. The AMD's are of a state of the code from before maps were carried to the prior "
        "as :doc:`guide/maps` says.",
    ),
    "data_parallel": (
        "Several processes",
        "Fits of the networks above under ``torchrun`` with gloo on one machine, each process with "
        "one thread: what batches divided between processes gain over one process with one thread.",
    ),
    "larger_than_memory": (
        "Larger than memory",
        "Rows of 784 float32 columns in a ``.npy`` file. The bare network is the encoder's "
        "``nn.Sequential`` on rows in memory. Growth counts the memory of the process, not the "
        "pages of the file that the system keeps while nobody else needs them.",
    ),
    "search_scaling": (
        "Searches",
        "``GridSearchCV`` of a Pipeline on digits, 8 candidates and 3 folds; the "
        "start of the workers counts. One fit by itself uses the cores too, so two at a time gain "
        "what that left: two threads make a fit of these networks 1.1 to 1.3 times as fast as one, "
        "so two fits of one thread are 1.5 to 1.8 times as fast as one of two, less the start of "
        "the workers. The aim, 1.7 times, is not met.",
    ),
}

HEAD = """Speed and memory
================

Training beside other code, maps beside UMAP's, files larger than memory, and searches. What makes
the difference, and what can be set: :doc:`guide/scaling`.

Figures are medians, in brackets the least and the greatest. {hardware} No GPU was at hand.
The page is written by ``examples/benchmarks/page.py`` from ``docs/results/``, where the scripts of
``examples/benchmarks/`` leave figures, versions and hardware.
"""


def table(by_processor):
    """Return a table of rows by what they tell, with a column for each processor."""
    widths = " ".join(["30"] * len(by_processor))
    lines = [".. list-table::", "    :header-rows: 1", f"    :widths: 70 {widths}", ""]
    names = by_processor if len(by_processor) > 1 else ["figure"]
    lines += ["    * - what", *(f"      - {name}" for name in names)]
    for what in dict.fromkeys(what for rows in by_processor.values() for what in rows):
        lines += [f"    * - {what}"]
        lines += [f"      - {cell(rows.get(what))}".rstrip() for rows in by_processor.values()]
    return "\n".join(lines)


def cell(row):
    if row is None:
        return ""
    values = row["values"]
    spread = f" ({figure(min(values))} to {figure(max(values))})" if len(values) > 1 else ""
    return f"{figure(median(values))}{spread}"


def figure(value):
    """Return a number of four digits, or all of them where that would take a power of ten."""
    return f"{value:,.0f}" if value >= 1e4 else f"{value:.4g}"


def main():
    parts, machines = [], set()
    for name, (title, note) in SECTIONS.items():
        by_processor = {}
        # That of the first processor, and those of others behind a dash.
        first = DOCS / "results" / f"{name}.json"
        for path in [first, *sorted(first.parent.glob(f"{name}-*.json"))] if first.exists() else []:
            rows = json.loads(path.read_text())["rows"]
            machines |= {json.dumps(row["hardware"]) for row in rows.values()}
            by_processor[next(iter(rows.values()))["hardware"]["processor"]] = rows
        if by_processor:
            parts.append(f"{title}\n{'-' * len(title)}\n\n{note}\n\n{table(by_processor)}")
    described = [json.loads(machine) for machine in sorted(machines)]
    hardware = " ".join(
        f"Processor: {m['processor']}, {m['cores']} cores, {m['threads']} threads."
        for m in described
    )
    text = "\n\n".join([HEAD.format(hardware=hardware).strip("\n"), *parts]) + "\n"
    (DOCS / "speed.rst").write_text(text)


if __name__ == "__main__":
    main()
