"""Section 3, fidelity and holes: GANs, GMMN, VAE and AAEs with one decoder and as many epochs.

    python examples/paper/generative_models.py --data mnist.npz --quick

Samples are judged by the Frechet distance of their features in a classifier trained on real digits
(lower is better), by their distance from the nearest training row beside that of test rows (near
zero would be copies), and by the Parzen log-likelihood of test rows under 10,000 samples, whose
bandwidth is chosen on 10,000 training rows that are held out. Models with an encoder also show
their reconstruction of test rows and how well codes of those held out meet the prior: by a distance
along lines, and by how often a classifier tells the two apart, which sees holes too.
"""

import numpy as np
import torch
from common import Record, arguments, chosen, pooled_split, timed
from data import load_images
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from skaae import AdversarialAutoencoder, ImplicitGenerativeModel
from skaae._rows import rows_in_units
from skaae.divergences import JensenShannon, Wasserstein
from skaae.metrics import (
    parzen_bandwidth,
    parzen_log_likelihood,
    prior_match,
    reconstruction_error,
    two_sample_accuracy,
)
from skaae.networks import MLP

N_COMPONENTS = 8
SIZES = (1000, 1000)
# The one network from codes to images, which every model trains.
DECODER = MLP(SIZES, linear_path=False)


def models(seed, **settings):
    shared = {"n_components": N_COMPONENTS, "random_state": seed, **settings}
    generating = {"generator": DECODER, "bounded": True, **shared}
    encoding = {"hidden_layer_sizes": SIZES, "decoder": DECODER, **shared}
    vae = {"divergence": "posterior_kl", "posterior": "gaussian"}
    return {
        "GAN": ImplicitGenerativeModel(divergence=JensenShannon(), **generating),
        "GAN, gradient penalty": ImplicitGenerativeModel(**generating),
        "WGAN-GP": ImplicitGenerativeModel(
            divergence=Wasserstein(gradient_penalty=10.0), **generating
        ),
        "GMMN": ImplicitGenerativeModel(divergence="mmd", **generating),
        "VAE": AdversarialAutoencoder(reconstruction_loss="bernoulli", **vae, **encoding),
        "AAE": AdversarialAutoencoder(**encoding),
        "AAE, bernoulli": AdversarialAutoencoder(reconstruction_loss="bernoulli", **encoding),
        # Beside the comparison: what the likelihood gains by fewer dimensions, a deeper and wider
        # decoder, more noise on the input and more epochs.
        "AAE for likelihood": AdversarialAutoencoder(
            **{**shared, "n_components": 6, "max_iter": 4 * shared.get("max_iter", 15)},
            reconstruction_loss="bernoulli",
            hidden_layer_sizes=SIZES,
            decoder=MLP((1500, 1500, 1500), linear_path=False),
            input_noise=0.8,
        ),
    }


def told_from_prior(model, X, seed):
    """Return how often codes of rows, drawn from q(z|x), are told from draws of the prior, in %."""
    generator = torch.Generator(model.device_).manual_seed(seed)
    with torch.no_grad():
        rows = rows_in_units(X, model._scaling, model.device_)
        codes = model.model_.encode(rows, generator)[0].codes
        prior_codes = model.model_.sample_prior(len(codes), generator)
    codes, prior_codes = (z.cpu().numpy() for z in (codes, prior_codes))
    return 100.0 * two_sample_accuracy(codes, prior_codes, random_state=seed)


def features(reader, X):
    """Return the hidden units of a fitted MLPClassifier with one hidden layer."""
    return np.maximum(X @ reader.coefs_[0] + reader.intercepts_[0], 0.0)


def frechet_distance(A, B):
    """Return |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of two sets of features."""
    covariances = np.cov(A.T), np.cov(B.T)
    # The root of a product has the trace of this symmetric one, which is stable where some feature
    # never varies.
    values, vectors = np.linalg.eigh(covariances[0])
    half = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(half @ covariances[1] @ half).clip(0.0))
    difference = A.mean(axis=0) - B.mean(axis=0)
    trace = np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * roots.sum()
    return float(difference @ difference + trace)


def draw(samples, shape):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(samples), figsize=(3 * len(samples), 3.3))
    for ax, (name, rows) in zip(axes, samples.items()):
        tiles = rows[:100].reshape(10, 10, *shape).swapaxes(1, 2)
        ax.imshow(tiles.reshape(10 * shape[0], 10 * shape[1], *shape[2:]), cmap="gray_r")
        ax.set_title(name)
        ax.set_axis_off()
    figure.tight_layout()
    plt.close(figure)
    return figure


def main():
    args = arguments(__doc__, n_seeds=1)
    images = load_images(args.data)
    X_train, y_train, validation, _ = pooled_split(images)
    X_test = images.X_test
    record = Record("generative_models", args, images)
    reader = MLPClassifier((128,), early_stopping=True, random_state=0)
    reader.fit(X_train, y_train)
    real = features(reader, X_test)
    neighbors = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(X_train)
    nearest = neighbors.kneighbors(X_test[:1000])[0].mean()
    data = [images.name, len(X_train), len(X_test)]
    record.add("nearest training row, test rows", [nearest], data=data)
    distance = frechet_distance(features(reader, X_train), real)
    record.add("Frechet distance, training rows", [distance], data=data)
    settings = {"max_iter": 15 if args.quick else 200}
    samples = {}
    for name in chosen(args, models(0)):
        figures, seconds = {}, []
        for seed in range(args.seeds):
            model = models(seed, **settings)[name]
            seconds.append(timed(lambda model=model: model.fit(X_train))[1])
            drawn = model.sample(10_000, random_state=seed)
            samples.setdefault(name, drawn.clip(0, 1))
            found = {
                "Frechet distance": frechet_distance(features(reader, drawn), real),
                "nearest training row": neighbors.kneighbors(drawn[:1000])[0].mean(),
                "Parzen log-likelihood": parzen_log_likelihood(
                    drawn, X_test, bandwidth=parzen_bandwidth(drawn, validation)
                ),
            }
            if isinstance(model, AdversarialAutoencoder):
                found["test squared error"] = reconstruction_error(model, X_test)
                match = prior_match(model, validation, random_state=seed)
                found["prior match ratio"] = match.ratio
                found["codes told from prior"] = told_from_prior(model, validation, seed)
            for what, value in found.items():
                figures.setdefault(what, []).append(value)
        for what, values in figures.items():
            paper = {"mnist": 340} if "AAE" in name and what.startswith("Parzen") else None
            record.add(
                f"{name}: {what}", values, paper=paper, data=data, seconds=seconds, model=model
            )
    if len(samples) > 1:
        record.picture(draw(samples, images.shape))


if __name__ == "__main__":
    main()
