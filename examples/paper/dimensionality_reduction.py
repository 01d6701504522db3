"""Section 7: maps of MNIST in the plane with cluster heads, and their test error.

    python examples/paper/dimensionality_reduction.py --data mnist.npz --quick

With labels the error is that of the label head; without, that of 20 clusters, each of which takes
the label of its surest validation row. The maps of the first seed are drawn.
"""

from common import N_VALIDATION, Record, arguments, load_mnist, timed, with_few_labels

from skaae import AdversarialAutoencoderClassifier, AdversarialAutoencoderClusterer
from skaae.metrics import cluster_error

ROWS = {"1000 labels": (1000, 4.20), "100 labels": (100, 6.08), "no labels": (0, 13.95)}
N_CLUSTERS = 20


def draw(model, X, y, path):
    import matplotlib.pyplot as plt

    codes = model.transform(X)
    figure, ax = plt.subplots(figsize=(6, 6), layout="constrained")
    points = ax.scatter(*codes.T, c=y, s=2, cmap="tab10")
    figure.colorbar(points, ax=ax, ticks=range(10), shrink=0.6, label="digit")
    ax.set(xlabel="code 1", ylabel="code 2", aspect="equal")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    args = arguments(__doc__)
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    record = Record("dimensionality_reduction", args)
    settings = {"n_components": 2, "cluster_heads": True, "max_iter": 12 if args.quick else 200}
    for name, (n_labels, paper) in ROWS.items():
        if args.only and name not in args.only:
            continue
        errors, seconds = [], []
        for seed in range(args.seeds):
            if n_labels:
                model = AdversarialAutoencoderClassifier(random_state=seed, **settings)
                few = with_few_labels(y_train, n_labels, seed)
                _, spent = timed(lambda model=model, few=few: model.fit(X_train, few))
                errors.append(100.0 * (1.0 - model.score(X_test, y_test)))
            else:
                model = AdversarialAutoencoderClusterer(N_CLUSTERS, random_state=seed, **settings)
                _, spent = timed(lambda model=model: model.fit(X_train))
                reference = X_train[-N_VALIDATION:]
                errors.append(
                    100.0
                    * cluster_error(
                        y_test,
                        model.predict_proba(X_test),
                        y_reference=y_train[-N_VALIDATION:],
                        probabilities_reference=model.predict_proba(reference),
                    )
                )
            seconds.append(spent)
            if seed == 0:
                file = f"map_{name.replace(' ', '_')}{'_quick' if args.quick else ''}.png"
                draw(model, X_test, y_test, args.out / file)
        record.add(name, errors, paper=paper, unit="%", seconds=seconds, settings=settings)


if __name__ == "__main__":
    main()
