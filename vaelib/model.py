"""The variational auto-encoder of section 3: its networks are MLPs or convolutions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaelib.combinations import conv_shapes

LARGE = 64  # inputs and outputs of a layer whose product is faster in 16 bits
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
BROAD = 10.0  # log variance beyond which the mean of a logistic pixel is 1/2
WITH_VARIANCE = ("gaussian", "logistic")  # outputs of a mean and a log variance


class Linear(nn.Linear):
    """Linear layer of 32-bit floats, whatever torch's default is.

    Under torch.autocast its product, if it is large, is made of 16-bit floats.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, dtype=torch.float32)

    def forward(self, input: Tensor) -> Tensor:
        """Return x W^T + b, (..., n_out), for the input x (..., n_in)."""
        device = input.device.type
        if min(self.weight.shape) < LARGE and torch.amp.is_autocast_available(device):
            with torch.autocast(device, enabled=False):
                return super().forward(input)
        return super().forward(input).to(input.dtype)


def mlp(sizes: Sequence[int], activation: str) -> nn.Sequential:
    """Return linear layers of the given sizes, each followed by the activation.

    A single size gives an empty network, the identity.
    """
    layers = nn.Sequential()
    for n_in, n_out in itertools.pairwise(sizes):
        layers.extend([Linear(n_in, n_out), ACTIVATIONS[activation]()])
    return layers


class Convolutions(nn.Sequential):
    """Layers of images between vectors: from (..., n_in) to (..., n_out), n = C*H*W.

    `shapes`: shape (C, H, W) of the images before and after each convolution.
    """

    def __init__(
        self, shapes: Sequence[Sequence[int]], layers: Iterable[nn.Module]
    ) -> None:
        super().__init__(*layers)
        self.shapes = shapes

    def forward(self, input: Tensor) -> Tensor:
        """Return what the layers make of the input, as 32-bit floats."""
        images = input.reshape(-1, *self.shapes[0])
        h = super().forward(images.contiguous(memory_format=torch.channels_last))
        return h.to(input.dtype).reshape(*input.shape[:-1], -1)


def halving(large: Sequence[int], small: Sequence[int]) -> nn.Conv2d:
    """Return a convolution that halves the sides of images (C, H, W), rounded down."""
    return nn.Conv2d(large[0], small[0], 4, stride=2, padding=1, dtype=torch.float32)


def doubling(small: Sequence[int], large: Sequence[int]) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles the sides: `halving`, reversed."""
    odd = large[1] % 2, large[2] % 2  # a row and a column that the halving has dropped
    return nn.ConvTranspose2d(
        small[0], large[0], 4, 2, 1, output_padding=odd, dtype=torch.float32
    )


class VAE(nn.Module):
    r"""Variational auto-encoder with D = C*H*W pixels and J latents, section 3.

    The encoder is $q_\phi(z|x) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)$, equation
    (9); the decoder is $p_\theta(x|z)$, equation (11) or (12). The default is
    784-400-20-400-784 with ReLU, as in pytorch/examples/vae. Weights are 32-bit floats.

    - `shape`: shape (C, H, W) of one image.
    - `hidden_dims`: sizes of the hidden layers of the encoder; the decoder has the same
      in reverse. If empty, encoder and decoder are linear.
    - `latent_dim`: number of latents J.
    - `activation`: "relu" or "tanh".
    - `output`: what the decoder returns for each pixel: "sigmoid", a number in (0, 1);
      "identity", any number, such as a logit; "gaussian" and "logistic", a mean in
      (0, 1) and a log variance.
    - `min_sigma`: smallest standard deviation that these two can give.

    Example:

    >>> import torch
    >>> from vaelib import VAE
    >>> model = VAE(shape=(1, 28, 28), hidden_dims=(400,), latent_dim=20)
    >>> x, eps = torch.rand(5, 784), torch.randn(5, 20)
    >>> x_hat, mu, logvar = model(x, eps)
    >>> x_hat.shape, mu.shape, logvar.shape
    (torch.Size([5, 784]), torch.Size([5, 20]), torch.Size([5, 20]))
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        hidden_dims: Sequence[int] = (400,),
        latent_dim: int = 20,
        activation: str = "relu",
        output: str = "sigmoid",
        min_sigma: float = 0.05,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.latent_dim = latent_dim
        self.output = output
        self.min_sigma = min_sigma

        n_pixels = math.prod(shape)
        up = [n_pixels, *hidden_dims]
        down = [latent_dim, *reversed(hidden_dims)]
        self.encoder = mlp(up, activation)
        self.fc_mu = Linear(up[-1], latent_dim)
        self.fc_logvar = Linear(up[-1], latent_dim)
        self.decoder = mlp(down, activation)
        self.fc_out = Linear(down[-1], n_pixels * (1 + (output in WITH_VARIANCE)))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return phi, the weights of the encoder; the others are theta."""
        layers = self.encoder, self.fc_mu, self.fc_logvar
        return [weight for layer in layers for weight in layer.parameters()]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), equation (9), App. C.2.

        `x`: images (B, D). Returns two tensors (B, J).
        """
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    @staticmethod
    def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
        """Return z, the draw from q(z|x) that the noise `eps` gives, equation (4).

        `eps` is standard normal noise with the shape of `mu` and `logvar`, (..., J).
        """
        return mu + torch.exp(0.5 * logvar) * eps

    def decode(self, z: Tensor) -> Tensor:
        """Return `x_hat`, the parameters of p(x|z), App. C, for z (..., J).

        Its shape is (..., D); or (2, ..., D), mean and log variance, if "gaussian" or
        "logistic".
        """
        h = self.fc_out(self.decoder(z))
        if self.output == "identity":
            return h
        if self.output == "sigmoid":
            return torch.sigmoid(h)
        mean, logvar = h.chunk(2, dim=-1)
        floor = torch.full_like(logvar, 2 * math.log(self.min_sigma))
        return torch.stack((torch.sigmoid(mean), torch.logaddexp(logvar, floor)))

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `x_hat`, `mu` and `logvar` for images (B, D) and noise (B, J)."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar, eps)), mu, logvar

    def images(self, z: Tensor) -> Tensor:
        """Return the mean image of p(x|z), (B, C, H, W) in [0, 1], for z (B, J).

        z is converted to the device and the number type of the weights.
        """
        mean_of = {
            "identity": torch.sigmoid,
            "sigmoid": lambda x_hat: x_hat,
            "gaussian": lambda x_hat: x_hat[0],
            "logistic": clipped_mean,
        }
        mean = mean_of[self.output](self.decode(z.to(self.fc_mu.weight)))
        return mean.unflatten(-1, self.shape)


def clipped_mean(x_hat: Tensor) -> Tensor:
    """Return the mean of logistic pixels whose values are cut to [0, 1], (..., D).

    `x_hat`: mean and log variance before the cut, (2, ..., D).
    """
    mean, logvar = x_hat
    # Where sigma is large, half of all values are cut to 0, and half to 1.
    scale = math.sqrt(3) / math.pi * torch.exp(0.5 * logvar.clamp(max=BROAD))
    cut = scale * (softplus(mean / scale) - softplus((mean - 1) / scale))
    return cut.clamp(0, 1)


class ConvVAE(VAE):
    r"""`VAE` whose encoder begins, and whose decoder ends, with convolutions.

    Each convolution has a kernel of 4 x 4 and a stride of 2, which halves the sides of
    the image (rounded down), and is followed by the activation. Between the last of
    them and the latents are the layers of `hidden_dims`. The decoder has the same in
    reverse, with transposed convolutions, which double the sides.

    - `conv_channels`: number of channels after each convolution of the encoder.

    All else is as in `VAE`. Raises ConfigError if the sides cannot be halved so often.

    Example:

    >>> import torch
    >>> from vaelib import ConvVAE
    >>> model = ConvVAE((3, 32, 32), conv_channels=(16, 32), latent_dim=10)
    >>> x, eps = torch.rand(5, 3 * 32 * 32), torch.randn(5, 10)
    >>> x_hat, mu, logvar = model(x, eps)
    >>> x_hat.shape, mu.shape
    (torch.Size([5, 3072]), torch.Size([5, 10]))
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 32, 32),
        conv_channels: Sequence[int] = (32, 64),
        hidden_dims: Sequence[int] = (400,),
        latent_dim: int = 20,
        activation: str = "relu",
        output: str = "sigmoid",
        min_sigma: float = 0.05,
    ) -> None:
        act, pairs = ACTIVATIONS[activation], itertools.pairwise
        shapes = conv_shapes(tuple(shape), tuple(conv_channels))
        # What lies between the convolutions is a VAE of their features.
        super().__init__(
            shapes[-1], hidden_dims, latent_dim, activation, "identity", min_sigma
        )
        self.shape, self.shapes, self.output = shapes[0], shapes, output
        layers = [layer for pair in pairs(shapes) for layer in (halving(*pair), act())]
        self.encoder.insert(0, Convolutions(shapes, layers))

        channels, *sides = shape
        out = (channels * (1 + (output in WITH_VARIANCE)), *sides)
        back = [*reversed(shapes[1:]), out]
        layers = [layer for pair in pairs(back) for layer in (act(), doubling(*pair))]
        self.decoder.append(self.fc_out)
        self.fc_out = Convolutions(back, layers)


def initialise(model: nn.Module, rng: torch.Generator, sd: float | None = None) -> None:
    """Initialise every layer in place, with random numbers from `rng` only.

    Weights and biases are normal with standard deviation `sd`. Without it the
    distribution is PyTorch's default, and so is the order of the random numbers.
    """
    for layer in model.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            continue
        weight, bias = layer.parameters()
        if sd is not None:
            nn.init.normal_(weight, std=sd, generator=rng)
            nn.init.normal_(bias, std=sd, generator=rng)
        else:
            bound = weight[0].numel() ** -0.5
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
            nn.init.uniform_(bias, -bound, bound, generator=rng)


def single(model: VAE) -> VAE:
    """Return the model with 32-bit weights: itself, or a copy if it has other ones."""
    is_single = all(weight.dtype == torch.float32 for weight in model.parameters())
    return model if is_single else deepcopy(model).float()


def standard_normal(*shape: int, rng: torch.Generator) -> Tensor:
    """Return draws from N(0, 1) with the CPU generator `rng`, as 32-bit floats.

    They are on the CPU. torch's default device and number type have no effect.
    """
    return torch.randn(shape, generator=rng, dtype=torch.float32, device="cpu")
