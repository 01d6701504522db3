"""The step of an adversarial autoencoder without autograd: its products and little else.

What ``training_speed.py`` measures skaae by, to tell what an engine could still save from what the
processor takes for the products: forward and backward passes are written out, products are in
bfloat16 where skaae's are, activations work in place, both samples pass the discriminator at once,
and Adam is PyTorch's fused kernel. Nothing is checked, noted, or asked of a prior or a divergence.
"""

import time
from itertools import pairwise

import torch
from torch.nn import functional


class ByHand:
    """Networks, optimisers, and epochs of written-out steps."""

    def __init__(self, n_features, sizes, n_components, dtype):
        self.n_components, self.dtype = n_components, dtype
        self.encoder = Network((n_features, *sizes, n_components), 0.0)
        self.decoder = Network((n_components, *sizes[::-1], n_features), 0.0)
        self.discriminator = Network((n_components, *sizes, 1), 0.01)

    def fit(self, rows, batch_size):
        """Train for an epoch; return its seconds, and how many rows it saw."""
        rows = torch.as_tensor(rows)
        autoencoder = Adam([*self.encoder.weights, *self.decoder.weights], 0.5)
        critic = Adam(self.discriminator.weights, 0.0)
        n_batches = len(rows) // batch_size
        started = time.perf_counter()
        for index in torch.randperm(len(rows))[: n_batches * batch_size].split(batch_size):
            self.step(rows[index], autoencoder, critic)
        return time.perf_counter() - started, n_batches * batch_size

    @torch.no_grad()
    def step(self, x, autoencoder, critic):
        n, dtype = len(x), self.dtype
        encoding = Pass(self.encoder, x, dtype)
        codes = encoding.outputs
        both = torch.cat([codes, torch.randn(n, self.n_components)])
        judged = Pass(self.discriminator, both, dtype)
        slopes = judged.outputs.sigmoid()
        slopes[:n] -= 1.0
        critic.move(judged.gradients(slopes / n, of_inputs=False)[0])

        decoding = Pass(self.decoder, codes, dtype)
        rest = decoding.outputs - x
        of_decoder, from_rows = decoding.gradients(rest / n)
        judged = Pass(self.discriminator, codes, dtype)
        _, from_critic = judged.gradients(judged.outputs.sigmoid() / n, of_weights=False)
        of_encoder, _ = encoding.gradients(from_rows + from_critic, of_inputs=False)
        autoencoder.move([*of_encoder, *of_decoder])
        return rest.square().mean()


class Network:
    def __init__(self, widths, slope):
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
        self.weights = [p.detach() for layer in layers for p in (layer.weight, layer.bias)]
        self.slope = slope


class Pass:
    def __init__(self, network, x, dtype):
        self.slope, self.dtype = network.slope, x.dtype
        weights = [w.to(dtype) for w in network.weights]
        self.matrices, biases = weights[::2], weights[1::2]
        self.inputs, h = [], x.to(dtype)
        for matrix, bias in zip(self.matrices, biases):
            if self.inputs:
                h = functional.leaky_relu_(h, self.slope) if self.slope else h.relu_()
            self.inputs.append(h)
            h = torch.addmm(bias, h, matrix.t())
        self.outputs = h.to(self.dtype)

    def gradients(self, slopes, of_weights=True, of_inputs=True):
        """Return the gradients of the weights, and of the inputs, where they are asked for."""
        found, slopes = [], slopes.to(self.matrices[0].dtype)
        for place in reversed(range(len(self.matrices))):
            h = self.inputs[place]
            if of_weights:
                found = [(slopes.t() @ h).to(self.dtype), slopes.sum(0).to(self.dtype), *found]
            if place or of_inputs:
                slopes = slopes @ self.matrices[place]
            if place and self.slope:
                slopes = torch.ops.aten.leaky_relu_backward(slopes, h, self.slope, True)
            elif place:
                slopes = torch.ops.aten.threshold_backward(slopes, h, 0.0)
        return found, slopes.to(self.dtype)


class Adam:
    def __init__(self, weights, momentum):
        self.weights, self.momentum = weights, momentum
        self.means, self.squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
        self.steps = [torch.zeros(()) for _ in weights]

    def move(self, gradients):
        torch._foreach_add_(self.steps, 1)
        torch._fused_adamw_(
            self.weights,
            gradients,
            self.means,
            self.squares,
            [],
            self.steps,
            amsgrad=False,
            lr=1e-3,
            beta1=self.momentum,
            beta2=0.99,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
