"""Section 4: the class is given to the decoder, and the code keeps the style.

    python examples/paper/style_and_content.py --data mnist.npz --quick

A classifier trained on real digits reads the class off samples; one trained on codes shows how
much of the class the style holds. A decoder that drew each class's mean would pass both, so how far
reconstructions of test rows with their classes are off stands beside what class means are off by,
and how much samples of a class differ beside how much test rows do. The figure has a style a row
and a class a column. Codes have eight dimensions, not the paper's fifteen: digits have no fifteen
ways to differ within a class.
"""

import numpy as np
from common import Record, arguments, timed, trained_reader
from data import load_images
from sklearn.ensemble import HistGradientBoostingClassifier

from skaae import ConditionalAdversarialAutoencoder


def draw_styles(model, X, shape):
    import matplotlib.pyplot as plt

    styles = model.transform(X)
    rows = [model.inverse_transform(np.repeat(z[None], 10, axis=0), np.arange(10)) for z in styles]
    lines = [
        np.concatenate([image.reshape(shape) for image in (x, *row)], axis=1)
        for x, row in zip(X, rows)
    ]
    image = np.concatenate(lines)
    figure, ax = plt.subplots(figsize=(6, 6 * len(X) / 11), layout="constrained")
    ax.imshow(image.clip(0, 1), cmap="gray_r")
    ax.axvline(shape[1] - 0.5, color="tab:blue")
    ax.set_axis_off()
    plt.close(figure)
    return figure


def spread_within(X, y):
    """Return the mean variance of a pixel within a class."""
    return np.mean([X[y == label].var(axis=0, dtype=np.float64).mean() for label in range(10)])


def main():
    args = arguments(__doc__)
    images = load_images(args.data)
    record = Record("style_and_content", args, images)
    reader = trained_reader(images)
    record.add(
        "accuracy of the reader on test rows",
        [100.0 * reader.score(images.X_test, images.y_test)],
        unit="%",
    )
    means = np.stack([images.X_train[images.y_train == label].mean(axis=0) for label in range(10)])
    off = np.mean(np.square(means[images.y_test] - images.X_test))
    record.add("squared error of class means", [off])
    asked = np.repeat(np.arange(10), 1000)
    settings = {"max_iter": 30 if args.quick else 100}
    read, held, errors, spreads, seconds = [], [], [], [], []
    for seed in range(args.seeds):
        model = ConditionalAdversarialAutoencoder(8, random_state=seed, **settings)
        _, spent = timed(lambda model=model: model.fit(images.X_train, images.y_train))
        seconds.append(spent)
        drawn = model.sample(len(asked), y=asked, random_state=seed)
        read.append(100.0 * reader.score(drawn, asked))
        style = HistGradientBoostingClassifier(random_state=0)
        style.fit(model.transform(images.X_train[:20_000]), images.y_train[:20_000])
        codes = model.transform(images.X_test)
        held.append(100.0 * style.score(codes, images.y_test))
        restored = model.inverse_transform(codes, images.y_test)
        errors.append(np.mean(np.square(restored - images.X_test, dtype=np.float64)))
        spread = spread_within(drawn, asked) / spread_within(images.X_test, images.y_test)
        spreads.append(100.0 * spread)
        if seed == 0:
            record.picture(draw_styles(model, images.X_test[:10], images.shape))
    record.add("class read from samples", read, unit="%", seconds=seconds, model=model)
    record.add("class read from style codes (chance: 10)", held, unit="%")
    record.add("squared error of test rows, from style and class", errors)
    record.add("variance of samples within a class, of that of test rows", spreads, unit="%")


if __name__ == "__main__":
    main()
