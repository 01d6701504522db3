"""Section 7: maps of MNIST with cluster heads, and their test error.

    python examples/paper/dimensionality_reduction.py --data mnist.npz --quick

With labels the error is that of the label head; without, that of 20 clusters, each of which takes
the label of its surest validation row. The maps of the first seed are drawn where they lie in the
plane.
"""

from common import (
    Record,
    arguments,
    chosen,
    cluster_error_of,
    smallest_share,
    timed,
    with_few_labels,
)
from data import load_images

from skaae import AdversarialAutoencoderClassifier, AdversarialAutoencoderClusterer

# Labels, dimensions, the paper's error.
ROWS = {
    "1000 labels": (1000, 2, {"mnist": 4.20}),
    "100 labels": (100, 2, {"mnist": 6.08}),
    "100 labels, ten dimensions": (100, 10, {"mnist": 3.90}),
    "no labels": (0, 2, {"mnist": 13.95}),
}
N_CLUSTERS = 20


def draw(model, images):
    import matplotlib.pyplot as plt

    codes = model.transform(images.X_test)
    figure, ax = plt.subplots(figsize=(6, 6), layout="constrained")
    points = ax.scatter(*codes.T, c=images.y_test, s=2, cmap="tab10")
    figure.colorbar(points, ax=ax, ticks=range(10), shrink=0.6, label="digit")
    ax.set(xlabel="code 1", ylabel="code 2", aspect="equal")
    plt.close(figure)
    return figure


def main():
    args = arguments(__doc__)
    images = load_images(args.data)
    record = Record("dimensionality_reduction", args, images)
    shared = {"cluster_heads": True, "max_iter": 12 if args.quick else None}
    for name in chosen(args, ROWS):
        n_labels, n_components, paper = ROWS[name]
        settings = {"n_components": n_components, **shared}
        errors, smallest, seconds = [], [], []
        for seed in range(args.seeds):
            if n_labels:
                model = AdversarialAutoencoderClassifier(random_state=seed, **settings)
                few = with_few_labels(images.y_train, n_labels, seed)
                _, spent = timed(lambda model=model, few=few: model.fit(images.X_train, few))
                errors.append(100.0 * (1.0 - model.score(images.X_test, images.y_test)))
            else:
                model = AdversarialAutoencoderClusterer(N_CLUSTERS, random_state=seed, **settings)
                _, spent = timed(lambda model=model: model.fit(images.X_train))
                errors.append(100.0 * cluster_error_of(model, images))
                smallest.append(smallest_share(model.labels_, N_CLUSTERS))
            seconds.append(spent)
            if seed == 0 and n_components == 2:
                record.picture(draw(model, images), f"_{name.replace(' ', '_')}")
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, model=model)
        if smallest:
            record.add(f"{name}: smallest cluster, of an equal part", smallest, unit="%")


if __name__ == "__main__":
    main()
