"""Pictures of fitted estimators, as displays in scikit-learn's manner.

Each has a class method ``from_estimator``, which computes what is shown and draws it, and ``plot``,
which draws it again. Matplotlib is imported when something is drawn.
"""

from skaae.plotting._history import HistoryDisplay
from skaae.plotting._latent_space import LatentSpaceDisplay
from skaae.plotting._manifold import ManifoldDisplay
from skaae.plotting._prior_match import PriorMatchDisplay
from skaae.plotting._reconstruction import ReconstructionDisplay
from skaae.plotting._sample import SampleDisplay

__all__ = [
    "HistoryDisplay",
    "LatentSpaceDisplay",
    "ManifoldDisplay",
    "PriorMatchDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
]
