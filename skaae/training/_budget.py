"""How long to train, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_WARM_UP_STEPS = 100
# Of all epochs, in a beginning.
_MOST_OF_BEGINNING = 0.25


@dataclass(frozen=True)
class Budget:
    """How long to train: epochs, and how the learning rate moves over all their steps.

    The rate rises over the first steps and then falls to zero along half a cosine, at the end of
    ``n_planned`` epochs where training is to stop before.
    """

    n_epochs: int
    n_batches: int
    annealed: bool = True
    n_planned: int | None = None

    @classmethod
    def one_pass(cls, n_batches: int) -> Budget:
        """Return one epoch at the full rate, for training that goes on later."""
        return cls(1, n_batches, annealed=False)

    @classmethod
    def default(cls, n_samples: int, n_batches: int) -> Budget:
        """Return a budget that counts steps as well as epochs.

        100 epochs, but at least 1,250 steps (few rows make few steps an epoch; below 125 rows 10
        steps a row, and never fewer than 300), and at most 4,000, unless rows would be seen fewer
        than three times.
        """
        return cls._of_steps(n_samples, n_batches, (1_250, 4_000), (3, 100))

    @classmethod
    def for_map(cls, n_samples: int, n_batches: int) -> Budget:
        """Return a budget to learn where rows belong, which is settled before.

        As the default one, with 1,600 steps in place of 4,000.
        """
        return cls._of_steps(n_samples, n_batches, (1_250, 1_600), (3, 100))

    @classmethod
    def for_labels(cls, n_samples: int, n_batches: int) -> Budget:
        """Return a budget to infer labels with, which spread from row to row slowly.

        200 epochs, but at least 1,500 steps (below 150 rows 10 steps a row, and never fewer than
        300) and at most 10,000, unless rows would be seen fewer than ten times.
        """
        return cls._of_steps(n_samples, n_batches, (1_500, 10_000), (10, 200))

    @classmethod
    def _of_steps(
        cls, n_samples: int, n_batches: int, steps: tuple[int, int], epochs: tuple[int, int]
    ) -> Budget:
        least = min(steps[0], max(300, 10 * n_samples))
        n_steps = max(least, min(epochs[1] * n_batches, steps[1]), epochs[0] * n_batches)
        return cls(math.ceil(n_steps / n_batches), n_batches)

    @property
    def n_steps(self) -> int:
        """Steps of the whole budget."""
        return (self.n_planned or self.n_epochs) * self.n_batches

    def beginning(self, share: float, least_steps: int) -> Budget:
        """Return the budget of the first epochs alone, at the rates that they have in this one.

        These are a share of all, and so many steps at least, but no more than a quarter.
        """
        wanted = max(share * self.n_epochs, least_steps / self.n_batches)
        n_epochs = math.ceil(min(wanted, _MOST_OF_BEGINNING * self.n_epochs))
        return replace(self, n_epochs=n_epochs, n_planned=self.n_planned or self.n_epochs)

    def rate(self, step: int) -> float:
        """Return the factor of the learning rate at `step`, counted from 0."""
        if not self.annealed:
            return 1.0
        warm_up = min(1.0, (step + 1) / min(_WARM_UP_STEPS, max(1, self.n_steps // 10)))
        return warm_up * 0.5 * (1.0 + math.cos(math.pi * step / self.n_steps))
