"""Networks: shapes, the order of pixels, where training starts, and checks of builders."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skaae._device import new_generator
from skaae._scoped_randomness import ScopedRandomness
from skaae.networks import (
    ACTIVATIONS,
    DECODERS,
    ENCODERS,
    MLP,
    OWN_BUILDERS,
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    LinearPathNetwork,
    build_network,
    draws_at_random,
)
from skaae.networks._convolutional import _Crop, _RandomShift, _ToImage

SHAPES = [(8, 8), (5, 7), (1, 6), (9, 6, 3), (4, 4, 2)]
BUILDERS = {f"encoder {name}": case for name, case in ENCODERS.items()} | {
    f"decoder {name}": case for name, case in DECODERS.items()
}


def builder_for(case, shape):
    """Return a small builder, for images where the case knows what those are."""
    offered = {"hidden_layer_sizes": (8,), "image_shape": shape, "channels": (4, 6)}
    names = case().get_params()
    return case(**{name: value for name, value in offered.items() if name in names})


def build(builder, n_inputs: int, n_outputs: int, seed: int = 0) -> nn.Module:
    with ScopedRandomness(new_generator(seed)):
        return builder(n_inputs, n_outputs)


def rows(n_samples: int, n_columns: int) -> torch.Tensor:
    return torch.randn(n_samples, n_columns, generator=new_generator(1))


# ------------------------------------------------------------------ every builder


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_maps_images_to_outputs(name, shape):
    network = build(builder_for(ENCODERS[name], shape), int(np.prod(shape)), 3)
    assert network(rows(5, int(np.prod(shape)))).shape == (5, 3)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_maps_codes_to_images(name, shape):
    network = build(builder_for(DECODERS[name], shape), 3, int(np.prod(shape)))
    assert network(rows(5, 3)).shape == (5, int(np.prod(shape)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_sees_every_pixel_and_every_column_of_noise(name, shape):
    n_columns = int(np.prod(shape)) + 2
    network = build(builder_for(ENCODERS[name], shape), n_columns, 3)
    x = rows(20, n_columns).requires_grad_(True)
    network(x).square().sum().backward()
    assert (x.grad.abs().sum(dim=0) > 0).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_every_pixel_of_a_decoder_depends_on_the_code(name, shape):
    network = build(builder_for(DECODERS[name], shape), 3, int(np.prod(shape)))
    assert (network(rows(20, 3)).std(dim=0) > 0).all()


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_clones_pickles_and_prints(name):
    builder = builder_for(BUILDERS[name], (4, 4))
    for copy in (clone(builder), pickle.loads(pickle.dumps(builder))):
        assert copy.get_params() == builder.get_params()
    assert repr(builder).startswith(BUILDERS[name].__name__ + "(")


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_answers_a_new_network_each_time(name):
    builder = builder_for(BUILDERS[name], (4, 4))
    n_inputs, n_outputs = (16, 3) if name.startswith("encoder") else (3, 16)
    first, second = build(builder, n_inputs, n_outputs), build(builder, n_inputs, n_outputs)
    pairs = list(zip(first.parameters(), second.parameters()))
    assert all(torch.equal(a, b) and a.data_ptr() != b.data_ptr() for a, b in pairs)


@pytest.mark.parametrize("case", OWN_BUILDERS, ids=lambda case: case.__name__)
def test_own_networks_draw_nothing_at_random_as_they_are_by_default(case):
    n_inputs, n_outputs = (4, 16) if case is ConvolutionalDecoder else (16, 4)
    network = build(builder_for(case, (4, 4)), n_inputs, n_outputs).train()
    before = torch.get_rng_state()
    x = rows(5, n_inputs)
    assert torch.equal(network(x), network(x))
    assert torch.equal(torch.get_rng_state(), before)
    assert not draws_at_random(builder_for(case, (4, 4)))


class WithDropout(MLP):
    def __call__(self, n_inputs, n_outputs):
        return nn.Sequential(super().__call__(n_inputs, n_outputs), nn.Dropout())


@pytest.mark.parametrize(
    "builder", [nn.Linear, nn.Dropout(), WithDropout()], ids=["callable", "module", "subclass"]
)
def test_networks_of_users_may_draw_at_random(builder):
    assert draws_at_random(builder)


def test_own_builders_are_those_with_a_name():
    assert set(OWN_BUILDERS) == {*ENCODERS.values(), *DECODERS.values()}


# ------------------------------------------------------------------ MLP


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(), (7,), (7, 5)], ids=str)
def test_mlp_starts_as_its_linear_path(activation, sizes):
    network = build(MLP(sizes, activation=activation), 4, 3)
    x = rows(6, 4)
    assert torch.equal(network(x), x @ network.linear.weight.T + network.linear.bias)


def test_mlp_has_the_layers_asked_for():
    network = MLP((7, 5), activation="tanh", linear_path=False)(4, 3)
    sizes = [(m.in_features, m.out_features) for m in network if isinstance(m, nn.Linear)]
    assert sizes == [(4, 7), (7, 5), (5, 3)]
    assert [type(layer) for layer in network[1::2]] == [nn.Tanh, nn.Tanh]


def test_mlp_without_a_linear_path_is_the_network_alone():
    network = build(MLP((7,), linear_path=False), 4, 3)
    assert not isinstance(network, LinearPathNetwork)
    assert (network(rows(6, 4)).std(dim=0) > 0).all()


def test_the_part_that_starts_at_zero_learns():
    network = build(MLP((7, 5)), 4, 3)
    target = rows(50, 4).square()[:, :3]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        (network(rows(50, 4)) - target).square().mean().backward()
        optimizer.step()
    assert all((parameter != 0).any() for parameter in network.network.parameters())


def test_set_linear_path_sets_the_map():
    network = build(MLP((7,)), 4, 3)
    weight, bias = rows(3, 4), torch.tensor([1.0, 2.0, 3.0])
    network.set_linear_path(weight, bias)
    x = rows(6, 4)
    torch.testing.assert_close(network(x), x @ weight.T + bias)


def test_set_linear_path_starts_further_inputs_and_outputs_at_zero():
    # As a Gaussian posterior's deviations and a universal one's noise need.
    network = build(MLP((7,)), 4, 3)
    network.set_linear_path(torch.ones(2, 3), torch.ones(2))
    assert network.linear.weight.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert network.linear.bias.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("builder", "name"),
    [
        (MLP((8, 0)), "hidden_layer_sizes"),
        (MLP((8, 1.5)), "hidden_layer_sizes"),
        (MLP(8), "hidden_layer_sizes"),
        (MLP(activation="step"), "activation"),
        (MLP(linear_path="yes"), "linear_path"),
        (ConvolutionalEncoder(channels=(4, -1)), "channels"),
        (ConvolutionalEncoder(image_shape=(0, 16)), "image_shape"),
        (ConvolutionalEncoder(image_shape=4), "image_shape"),
        (ConvolutionalEncoder(max_shift=-1), "max_shift"),
        (ConvolutionalEncoder(max_shift=0.5), "max_shift"),
    ],
    ids=repr,
)
def test_parameters_that_are_off_are_named(builder, name):
    with pytest.raises(ValueError, match=name):
        builder(16, 2)


# ------------------------------------------------------------------ images


def numpy_images(height: int, width: int, channels: int) -> np.ndarray:
    """Return images with a different value at every place."""
    size = 2 * height * width * channels
    return np.arange(size, dtype=np.float32).reshape(2, height, width, channels)


def test_rows_become_images_in_numpys_order():
    images = numpy_images(4, 5, 3)
    x = _ToImage(4, 5, 3)(torch.as_tensor(images.reshape(2, -1)))
    for h, w, c in np.ndindex(4, 5, 3):
        assert x[:, c, h, w].tolist() == images[:, h, w, c].tolist()


def test_images_become_rows_in_numpys_order():
    images = numpy_images(6, 8, 3)
    x = _Crop(4, 5)(torch.as_tensor(images.transpose(0, 3, 1, 2).copy()))
    assert np.array_equal(x.numpy(), images[:, :4, :5].reshape(2, -1))


def test_convolutional_encoder_looks_at_neighbouring_pixels_together():
    # A feature of the first convolution depends on a patch of 3 x 3 pixels in all channels.
    network = build(ConvolutionalEncoder((8, 6, 2), channels=(1,)), 96, 1)
    convolution = network.trunk[:2]
    x = rows(1, 96).requires_grad_(True)
    convolution(x)[0, 0, 1, 1].backward()
    seen = x.grad.numpy().reshape(8, 6, 2).any(axis=2)
    expected = np.zeros((8, 6), dtype=bool)
    expected[1:4, 1:4] = True
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize("shape", [(2, 5, 7), (3, 6, 4)], ids=str)
def test_every_move_of_an_image_is_drawn_and_its_edge_fills_what_comes_free(shape):
    most, (channels, height, width) = 2, shape
    image = np.arange(channels * height * width, dtype=np.float32).reshape(shape)
    moved = {}
    for down, right in np.ndindex(2 * most + 1, 2 * most + 1):
        h = (np.arange(height) + down - most).clip(0, height - 1)
        w = (np.arange(width) + right - most).clip(0, width - 1)
        moved[image[:, h][:, :, w].tobytes()] = (down, right)
    images = torch.as_tensor(image).repeat(1000, 1, 1, 1)
    with ScopedRandomness(new_generator(0)):
        drawn = [moved[row.tobytes()] for row in _RandomShift(most)(images).numpy()]
    counts = np.bincount([5 * down + right for down, right in drawn], minlength=25)
    # 40 each are expected, with a standard deviation of 6.2.
    assert counts.min() > 15
    assert counts.max() < 65


def test_images_move_in_training_only_and_columns_past_them_never():
    network = build(ConvolutionalEncoder((4, 4), max_shift=1), 18, 2)
    seen = []
    network.trunk[2].register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    network.head.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    x = rows(50, 18)
    image = x[:, :16].reshape(50, 1, 4, 4)
    with ScopedRandomness(new_generator(0)):
        network.train()(x)
        network.eval()(x)
    shifted, joined, still, _ = seen
    assert not torch.equal(shifted, image)
    assert torch.equal(still, image)
    assert torch.equal(joined[:, -2:], x[:, 16:])


@pytest.mark.parametrize(("n_columns", "shape"), [(49, (7, 7, 1)), (75, (5, 5, 3))])
def test_square_images_need_no_shape(n_columns, shape):
    guessed, named = (
        build(ConvolutionalEncoder(given, channels=(4,)), n_columns, 2) for given in (None, shape)
    )
    x = rows(3, n_columns)
    assert torch.equal(guessed(x), named(x))
    decoder = build(ConvolutionalDecoder(channels=(4,)), 2, n_columns)
    assert decoder(rows(3, 2)).shape == (3, n_columns)


@pytest.mark.parametrize("channels", [(), (4,), (4, 8), (4, 8, 16)], ids=str)
def test_number_of_convolutions_is_free(channels):
    encoder = build(ConvolutionalEncoder((9, 7, 3), channels=channels), 189, 2)
    decoder = build(ConvolutionalDecoder((9, 7, 3), channels=channels), 2, 189)
    assert decoder(encoder(rows(4, 189))).shape == (4, 189)
    for network, kind in ((encoder, nn.Conv2d), (decoder, nn.ConvTranspose2d)):
        assert sum(isinstance(layer, kind) for layer in network.modules()) == len(channels)


@pytest.mark.parametrize("sizes", [(), (12,), (12, 6)], ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_dense_layers_follow_the_convolutions(sizes, batch_norm):
    builder = ConvolutionalEncoder(
        (8, 8), channels=(4, 8), hidden_layer_sizes=sizes, batch_norm=batch_norm
    )
    network = build(builder, 64, 2)
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in dense] == [*sizes, 2]
    assert dense[0].in_features == 8 * 2 * 2
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert len(norms) == (2 + len(sizes) if batch_norm else 0)


def test_columns_that_are_no_square_image_are_an_error():
    with pytest.raises(ValueError, match="square grey or colour images, got 50 columns"):
        ConvolutionalEncoder()(50, 2)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2), (2, 2, 2, 8)], ids=str)
def test_decoder_shape_that_does_not_fit_is_an_error(shape):
    with pytest.raises(ValueError, match=r"product of 64, .* got \(" + str(shape[0])):
        ConvolutionalDecoder(shape)(2, 64)


@pytest.mark.parametrize("shape", [(9, 9), (4, 5, 4), (64,), (2, 2, 2, 8)], ids=str)
def test_encoder_shape_that_does_not_fit_is_an_error(shape):
    with pytest.raises(ValueError, match=r"product of 64, .* got \(" + str(shape[0])):
        ConvolutionalEncoder(shape)(64, 2)


@pytest.mark.parametrize(
    ("shape", "n_noise"),
    [((7, 8), 0), ((7, 8), 7), ((8, 8), 1), (None, 15)],
    ids=["no noise", "less noise", "more noise", "a square with its noise"],
)
def test_columns_past_an_image_are_the_noise_alone(shape, n_noise):
    builder = ConvolutionalEncoder(shape, channels=(4,))
    with pytest.raises(ValueError, match=f"product of {64 - n_noise}, the number of columns, got"):
        build_network(builder, 64, 2, "encoder", n_noise=n_noise)


@pytest.mark.parametrize("n_noise", [0, 1, 9])
def test_an_image_and_its_noise_are_taken(n_noise):
    builder = ConvolutionalEncoder((8, 8), channels=(4,))
    network = build_network(builder, 64 + n_noise, 2, "encoder", n_noise=n_noise)
    assert network.head[0].in_features == 4 * 16 + n_noise
