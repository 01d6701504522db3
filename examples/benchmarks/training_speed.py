"""Rows a second in training: skaae, the plain loop of three phases, and pythae, in turns.

    python examples/benchmarks/training_speed.py --data mnist.npz [large small busy quality]

Beside them runs the same step written out without autograd (``by_hand.py``), which tells what an
engine could still save. Ratios are taken pair by pair within a turn, so that a machine that slows
down slows down all. ``pythae`` is left out where it is not installed (``pip install pythae``).
"""

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from by_hand import ByHand
from report import Report
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from skaae import AdversarialAutoencoder
from skaae._device import multiplies_bfloat16
from skaae.divergences import JensenShannon
from skaae.networks import MLP

LARGE = {"n_features": 784, "sizes": (1000, 1000), "n_components": 8}
SMALL = {"n_features": 64, "sizes": (128, 128), "n_components": 4}


def network(n_inputs, sizes, n_outputs):
    layers = []
    for size in sizes:
        layers += [nn.Linear(n_inputs, size), nn.ReLU()]
        n_inputs = size
    return nn.Sequential(*layers, nn.Linear(n_inputs, n_outputs))


class PlainLoop:
    """What one writes after the paper: three phases, three optimisers, a DataLoader."""

    def __init__(self, n_features, sizes, n_components):
        self.n_components = n_components
        self.encoder = network(n_features, sizes, n_components)
        self.decoder = nn.Sequential(network(n_components, sizes[::-1], n_features), nn.Sigmoid())
        self.discriminator = nn.Sequential(network(n_components, sizes, 1), nn.Sigmoid())

    def fit(self, rows, batch_size, n_epochs):
        """Train and return the seconds of the epochs."""
        batches = DataLoader(
            TensorDataset(torch.as_tensor(rows)), batch_size, shuffle=True, drop_last=True
        )
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        autoencoder = torch.optim.Adam(both, 1e-3)
        generator = torch.optim.Adam(self.encoder.parameters(), 1e-3)
        critic = torch.optim.Adam(self.discriminator.parameters(), 1e-3)
        started = time.perf_counter()
        for _ in range(n_epochs):
            for (x,) in batches:
                autoencoder.zero_grad()
                functional.mse_loss(self.decoder(self.encoder(x)), x).backward()
                autoencoder.step()

                critic.zero_grad()
                real, drawn = torch.ones(len(x), 1), torch.zeros(len(x), 1)
                prior = torch.randn(len(x), self.n_components)
                loss = functional.binary_cross_entropy(self.discriminator(prior), real)
                codes = self.encoder(x).detach()
                loss = loss + functional.binary_cross_entropy(self.discriminator(codes), drawn)
                loss.backward()
                critic.step()

                generator.zero_grad()
                told = self.discriminator(self.encoder(x))
                functional.binary_cross_entropy(told, real).backward()
                generator.step()
        return time.perf_counter() - started


def skaae_model(batch_size, n_epochs, *, n_features, sizes, n_components, precision="auto", seed=0):
    return AdversarialAutoencoder(
        n_components,
        encoder=MLP(sizes, linear_path=False),
        decoder=MLP(sizes[::-1], linear_path=False),
        divergence=JensenShannon(hidden_layer_sizes=sizes),
        batch_size=batch_size,
        max_iter=n_epochs,
        precision=precision,
        random_state=seed,
    )


def skaae_seconds(rows, batch_size, n_epochs, **shape):
    """Return the seconds of the epochs of a fit, and how many rows they saw."""
    with warnings.catch_warnings():  # one epoch is no fit
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = skaae_model(batch_size, n_epochs, **shape).fit(rows)
    held_out = model.prior_match_.n_samples if model.prior_match_.held_out else 0
    return sum(e["seconds"] for e in model.history_), n_epochs * (len(rows) - held_out)


def pythae_seconds(rows, batch_size, n_epochs, *, n_features, sizes, n_components):
    """Return the seconds of pythae's epochs."""
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = network(n_features, sizes[:-1], sizes[-1])
            self.mean = nn.Linear(sizes[-1], n_components)
            self.spread = nn.Linear(sizes[-1], n_components)

        def forward(self, x):
            h = self.body(x).relu()
            return ModelOutput(embedding=self.mean(h), log_covariance=self.spread(h))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(network(n_components, sizes[::-1], n_features), nn.Sigmoid())

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z))

    class Discriminator(BaseDiscriminator):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(network(n_components, sizes, 1), nn.Sigmoid())

        def forward(self, z):
            return ModelOutput(embedding=self.body(z))

    class Clock(TrainingCallback):
        seconds = 0.0

        def on_epoch_begin(self, config, **kwargs):
            self.started = time.perf_counter()

        def on_epoch_end(self, config, **kwargs):
            self.seconds += time.perf_counter() - self.started

    logging.disable(logging.INFO)
    clock = Clock()
    config = Adversarial_AE_Config(
        input_dim=(n_features,), latent_dim=n_components, deterministic_posterior=True
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = AdversarialTrainer(
            Adversarial_AE(config, Encoder(), Decoder(), Discriminator()),
            train_dataset=_PythaeRows(rows),
            training_config=AdversarialTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=batch_size,
                num_epochs=n_epochs,
                autoencoder_optimizer_cls="Adam",
                discriminator_optimizer_cls="Adam",
                no_cuda=True,
            ),
            callbacks=[clock],
        )
        with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
            trainer.train()
    return clock.seconds


def _PythaeRows(rows):  # noqa: N802
    from pythae.data.datasets import BaseDataset

    return BaseDataset(torch.as_tensor(rows), torch.zeros(len(rows)))


def matrix_product_rate(dtype, batch_size, seconds=0.5):
    """Return GFLOP a second of products of the networks' hidden layers."""
    a, b = torch.randn(batch_size, 1000, dtype=dtype), torch.randn(1000, 1000, dtype=dtype)
    for _ in range(3):
        a @ b
    n, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        a @ b
        n += 1
    return 2e-9 * n * batch_size * 1000 * 1000 / (time.perf_counter() - started)


def flop_of_a_row(n_features, sizes, n_components):
    """Return what a step has to multiply for each row, in GFLOP.

    Encoder and decoder run forward and backward (without a slope of the rows), the discriminator
    forward and backward on codes and on draws of the prior, and once more for the encoder, with a
    slope of the codes alone.
    """

    def weights(n_inputs, n_outputs, hidden):
        widths = (n_inputs, *hidden, n_outputs)
        return sum(a * b for a, b in pairwise(widths))

    encoder = weights(n_features, n_components, sizes)
    decoder = weights(n_components, n_features, sizes)
    discriminator = weights(n_components, 1, sizes)
    products = 3 * encoder - n_features * sizes[0] + 3 * decoder
    products += 2 * (3 * discriminator - n_components * sizes[0]) + 2 * discriminator
    return 2e-9 * products


def in_turns(report, what, shape, batch_size, rows, n_turns):
    """Time skaae and its rivals in turns and add their rates and ratios."""
    low = shape is LARGE and multiplies_bfloat16(torch.device("cpu"))
    dtype = torch.bfloat16 if low else torch.float32
    contenders = {
        "skaae": lambda: skaae_seconds(rows, batch_size, 1, **shape),
        "plain loop": lambda: (PlainLoop(**shape).fit(rows, batch_size, 1), len(rows)),
        "by hand": lambda: ByHand(**shape, dtype=dtype).fit(rows, batch_size),
    }
    if find_spec("pythae"):
        contenders["pythae"] = lambda: (pythae_seconds(rows, batch_size, 1, **shape), len(rows))
    rates = {name: [] for name in contenders}
    products = []
    for _ in range(n_turns):
        for name, run in contenders.items():
            seconds, n_rows = run()
            rates[name].append(n_rows / seconds)
        products.append(
            {
                dtype: matrix_product_rate(getattr(torch, dtype), batch_size)
                for dtype in ("float32", "bfloat16")
            }
        )
    for name, values in rates.items():
        report.add(f"{what}: {name}, rows a second", values)
    for name in list(rates)[1:]:
        ratios = [a / b for a, b in zip(rates["skaae"], rates[name])]
        report.add(f"{what}: skaae / {name}", ratios)
    if shape is LARGE:
        done = [rate * flop_of_a_row(**shape) for rate in rates["skaae"]]
        for dtype in products[0]:
            shares = [rate / product[dtype] for rate, product in zip(done, products)]
            report.add(f"{what}: {dtype} products, GFLOP a second", [p[dtype] for p in products])
            report.add(f"{what}: skaae's share of {dtype} products", shares)


def large(report, args):
    rng = np.random.default_rng(0)
    for batch_size in (100, 256, 1024):
        rows = rng.random((max(20 * batch_size, 10_000), 784), dtype=np.float32)
        in_turns(report, f"batch {batch_size}", LARGE, batch_size, rows, args.turns)


def small(report, args):
    from sklearn.datasets import load_digits

    rows = np.tile((load_digits().data / 16).astype(np.float32), (8, 1))
    in_turns(report, "digits, batch 128", SMALL, 128, rows, args.turns)


SPIN = "while True: pass"


def busy(report, args):
    """Rows a second beside one busy process per core, over those on a quiet machine."""
    rng = np.random.default_rng(0)
    rows = rng.random((10_000, 784), dtype=np.float32)
    shares = {"skaae": [], "plain loop": []}
    for _ in range(args.turns):
        for name, run in {
            "skaae": lambda: skaae_seconds(rows, 256, 3, **LARGE)[0],
            "plain loop": lambda: PlainLoop(**LARGE).fit(rows, 256, 3),
        }.items():
            quiet = run()
            others = [
                subprocess.Popen([sys.executable, "-c", SPIN])
                for _ in range(torch.get_num_threads())
            ]
            try:
                shares[name].append(quiet / run())
            finally:
                for other in others:
                    other.kill()
                    other.wait()
    for name, values in shares.items():
        report.add(f"one busy process per core: {name}, share of the quiet rate", values)


def quality(report, args):
    """Error and prior match after as many epochs, over three seeds, on 20,000 rows of MNIST."""
    from skaae.metrics import sliced_wasserstein_distance

    with np.load(args.data) as data:
        X, X_test = (
            data[f"X_{part}"].reshape(-1, 784)[:n] / np.float32(255)
            for part, n in (("train", 20_000), ("test", 10_000))
        )
    found = {}
    for seed in range(3):
        prior = np.random.default_rng(seed).normal(size=(len(X_test), 8)).astype(np.float32)
        for precision in ("auto", "float32"):
            model = skaae_model(256, 10, precision=precision, seed=seed, **LARGE).fit(X)
            codes = model.transform(X_test)
            restored = model.inverse_transform(codes)
            found.setdefault(f"skaae, precision={precision}", []).append((codes, restored, prior))
        torch.manual_seed(seed)
        plain = PlainLoop(**LARGE)
        plain.fit(X, 256, 10)
        with torch.no_grad():
            codes = plain.encoder(torch.as_tensor(X_test))
            restored = plain.decoder(codes)
        found.setdefault("plain loop", []).append((codes.numpy(), restored.numpy(), prior))
    for name, fits in found.items():
        errors = [np.mean((restored - X_test) ** 2) for _, restored, _ in fits]
        report.add(f"10 epochs, batch 256: {name}, squared error", errors)
        distances = [sliced_wasserstein_distance(codes, prior) for codes, _, prior in fits]
        report.add(f"10 epochs, batch 256: {name}, distance of codes to prior", distances)


PARTS = {"large": large, "small": small, "busy": busy, "quality": quality}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--data", type=Path, help="mnist.npz, for the part on quality")
    args = parser.parse_args()
    report = Report("training_speed")
    for part in args.parts:
        PARTS[part](report, args)


if __name__ == "__main__":
    main()
