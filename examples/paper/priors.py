"""Sections 2 and 2.3: maps under priors of four shapes, beside a VAE's, and classes in a prior.

    python examples/paper/priors.py --data mnist.npz --quick

Maps are fitted to all but 10,000 training rows, drawn at random, and measured on those. The
distance is the sliced Wasserstein distance of codes from prior, divided by that of two samples of
the prior: 1 where they cannot be told apart. With classes in the prior all training rows are
fitted, 10,000 of them with labels, and a classifier of real digits reads the class off samples. The
figures show codes of rows that were not fitted by class, on draws from the prior in grey.
"""

import numpy as np
import torch
from common import (
    Record,
    arguments,
    chosen,
    pooled_split,
    timed,
    trained_reader,
    with_few_labels,
)
from data import load_images

from skaae import AdversarialAutoencoder, ConditionalAdversarialAutoencoder
from skaae.metrics import prior_match, reconstruction_error
from skaae.priors import GaussianMixture, Normal, SwissRoll, Uniform

PRIORS = {
    "normal": Normal(),
    "uniform": Uniform(),
    "ring of ten Gaussians": GaussianMixture(n_components=10),
    "swiss roll": SwissRoll(),
}
# Without a density there is no Kullback-Leibler divergence to train a VAE with.
VAE_PRIORS = ("normal", "ring of ten Gaussians")
CLASS_PRIORS = {
    "ring of ten Gaussians": GaussianMixture(n_components=10),
    "swiss roll": SwissRoll(n_stretches=10),
}


def draw(maps):
    """Return a figure of maps, each a name with codes, classes and draws from the prior."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(maps), figsize=(3.2 * len(maps), 3.5), layout="constrained", squeeze=False
    )
    for ax, (name, (codes, y, drawn)) in zip(axes[0], maps.items()):
        ax.scatter(*drawn.T, s=1, c="0.8")
        points = ax.scatter(*codes.T, s=1, c=y, cmap="tab10")
        ax.set(title=name.replace(", ", ",\n"), aspect="equal", xticks=[], yticks=[])
    figure.colorbar(points, ax=axes, ticks=range(10), shrink=0.7, label="digit")
    plt.close(figure)
    return figure


def prior_draws(model, n_samples=3000):
    """Return draws from the prior of a fitted model."""
    generator = torch.Generator().manual_seed(0)
    return model.model_.latents[0].prior.sample(n_samples, 2, generator=generator).numpy()


def main():
    args = arguments(__doc__, n_seeds=1)
    images = load_images(args.data)
    record = Record("priors", args, images)
    X, _, X_held, y_held = pooled_split(images)
    data = [images.name, len(X), len(X_held)]
    settings = {} if args.quick else {"max_iter": 100}
    vae = {"divergence": "posterior_kl", "posterior": "gaussian"}
    runs = [(f"AAE, {name}", prior, {}) for name, prior in PRIORS.items()]
    runs += [(f"VAE, {name}", PRIORS[name], vae) for name in VAE_PRIORS]
    maps = {}
    class_runs = [f"{name}, 10,000 labels" for name in CLASS_PRIORS]
    asked_for = chosen(args, [*(name for name, *_ in runs), *class_runs])
    for name, prior, more in runs:
        if name not in asked_for:
            continue
        ratios, errors, seconds = [], [], []
        for seed in range(args.seeds):
            model = AdversarialAutoencoder(2, prior=prior, random_state=seed, **more, **settings)
            seconds.append(timed(lambda model=model: model.fit(X))[1])
            ratios.append(prior_match(model, X_held, random_state=seed).ratio)
            errors.append(reconstruction_error(model, X_held))
            if seed == 0:
                maps[name] = model.transform(X_held), y_held, prior_draws(model)
        record.add(f"{name}: distance ratio", ratios, data=data, seconds=seconds, model=model)
        record.add(f"{name}: squared error", errors, data=data)
    if len(maps) > 1:
        record.picture(draw(maps))

    reader = trained_reader(images)
    asked = np.repeat(np.arange(10), 1000)
    maps = {}
    for name, prior in zip(class_runs, CLASS_PRIORS.values()):
        if name not in asked_for:
            continue
        read, seconds = [], []
        for seed in range(args.seeds):
            model = ConditionalAdversarialAutoencoder(
                2, label_role="discriminator", prior=prior, random_state=seed, **settings
            )
            few = with_few_labels(images.y_train, 10_000, seed)
            seconds.append(timed(lambda model=model, few=few: model.fit(images.X_train, few))[1])
            drawn = model.sample(len(asked), y=asked, random_state=seed)
            read.append(100.0 * reader.score(drawn, asked))
            if seed == 0:
                maps[name] = model.transform(images.X_test), images.y_test, prior_draws(model)
        record.add(
            f"{name}: class read from samples",
            read,
            unit="%",
            seconds=seconds,
            model=model,
        )
    if maps:
        record.picture(draw(maps), "_of_classes")


if __name__ == "__main__":
    main()
