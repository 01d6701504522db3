"""Sections 4 and 2.3: the class given to the decoder, and the class given a place in the prior.

    python examples/paper/style_and_content.py --data mnist.npz --quick

A classifier trained on real digits reads the class off samples; one trained on codes shows how
much of the class the style holds. The figure has a style a row and a class a column.
"""

import numpy as np
from common import Record, arguments, load_mnist, timed, with_few_labels
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier

from skaae import ConditionalAdversarialAutoencoder
from skaae.priors import GaussianMixture


def draw_styles(model, X, path):
    import matplotlib.pyplot as plt

    styles = model.transform(X)
    rows = [model.inverse_transform(np.repeat(z[None], 10, axis=0), np.arange(10)) for z in styles]
    image = np.block(
        [[x.reshape(28, 28), *[part.reshape(28, 28) for part in row]] for x, row in zip(X, rows)]
    )
    figure, ax = plt.subplots(figsize=(6, 6 * len(X) / 11), layout="constrained")
    ax.imshow(image.clip(0, 1), cmap="gray_r")
    ax.axvline(27.5, color="tab:blue")
    ax.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    args = arguments(__doc__)
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    record = Record("style_and_content", args)
    reader = MLPClassifier((256,), early_stopping=True, random_state=0).fit(X_train, y_train)
    record.add("accuracy of the reader on test rows", [100.0 * reader.score(X_test, y_test)])
    asked = np.repeat(np.arange(10), 1000)

    figure = f"style_and_content{'_quick' if args.quick else ''}.png"
    settings = {"max_iter": 15 if args.quick else 100}
    read, held, seconds = [], [], []
    for seed in range(args.seeds):
        model = ConditionalAdversarialAutoencoder(15, random_state=seed, **settings)
        seconds.append(timed(lambda model=model: model.fit(X_train, y_train))[1])
        drawn = model.sample(len(asked), y=asked, random_state=seed)
        read.append(100.0 * reader.score(drawn, asked))
        style = HistGradientBoostingClassifier(random_state=0)
        style.fit(model.transform(X_train[:20_000]), y_train[:20_000])
        held.append(100.0 * style.score(model.transform(X_test), y_test))
        if seed == 0:
            draw_styles(
                model,
                X_test[:10],
                args.out / figure,
            )
    record.add("class read from samples", read, unit="%", seconds=seconds, settings=settings)
    record.add("class read from style codes (chance: 10)", held, unit="%")

    read, seconds = [], []
    for seed in range(args.seeds):
        model = ConditionalAdversarialAutoencoder(
            2,
            label_role="discriminator",
            prior=GaussianMixture(n_components=10),
            random_state=seed,
            **settings,
        )
        few = with_few_labels(y_train, 10_000, seed)
        seconds.append(timed(lambda model=model, few=few: model.fit(X_train, few))[1])
        read.append(
            100.0 * reader.score(model.sample(len(asked), y=asked, random_state=seed), asked)
        )
    record.add(
        "class read from modes, 10,000 labels", read, unit="%", seconds=seconds, settings=settings
    )


if __name__ == "__main__":
    main()
