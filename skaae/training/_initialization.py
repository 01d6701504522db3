"""Where training starts: at principal component analysis, wherever a linear path can hold it."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from skaae._device import new_generator
from skaae._model import AutoencoderModel
from skaae._threads import one_blas_thread
from skaae.losses import ReconstructionLoss
from skaae.networks import LinearPathNetwork

_MAX_ROWS = 10_000


def principal_components(x: Tensor, n_components: int, seed: int) -> PCA:
    """Return principal components of rows `x`, `n_components` of them or as many as there are."""
    # A random part: tables often come sorted.
    order = torch.randperm(len(x), generator=new_generator(seed))[:_MAX_ROWS]
    rows = x[order.to(x.device)].cpu().double().numpy()
    # Columns that a single repeated row spans have no direction; PCA warns by dividing by 0.
    with one_blas_thread(), np.errstate(invalid="ignore", divide="ignore"):
        return PCA(min(n_components, *rows.shape), random_state=seed).fit(rows)


def projected(pca: PCA, x: Tensor) -> Tensor:
    """Return the principal components of rows."""
    axes, center = (torch.as_tensor(part).to(x) for part in (pca.components_, pca.mean_))
    return (x - center) @ axes.T


@torch.no_grad()
def start_at_principal_components(
    model: AutoencoderModel, loss: ReconstructionLoss, x: Tensor, pca: PCA
) -> None:
    """Set the linear paths of encoder and decoder to whitened PCA of rows `x` and back.

    The codes then start with the prior's mean and covariance, and reconstruction where PCA's is.
    Networks without a linear path, and codes on a simplex, are left alone.
    """
    encoder, decoder = model.encoder, model.decoder
    if model.latents[0].prior.on_simplex or not isinstance(encoder, LinearPathNetwork):
        return
    deviations = np.sqrt(np.maximum(pca.explained_variance_, 0.0))
    used = deviations > 1e-6 * max(deviations.max(), 1e-12)
    axes, deviations = pca.components_[used], deviations[used]
    like = encoder.linear.weight
    whitening = torch.as_tensor(axes / deviations[:, None]).to(like)
    center = torch.as_tensor(pca.mean_).to(like)
    encoder.set_linear_path(whitening, -whitening @ center)
    if isinstance(decoder, LinearPathNetwork):
        # Where the outputs are log odds and not means, the axes are no fit, only the mean is.
        back = torch.as_tensor(axes.T * deviations).to(like)
        if loss.scales_columns:
            decoder.set_linear_path(back, center)
        else:
            decoder.set_linear_path(torch.zeros_like(back), loss.link(x.mean(dim=0)))
