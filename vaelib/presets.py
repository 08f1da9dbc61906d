"""Named settings: those of the paper, and of another program."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Section 5, as far as it says; the pixels and the step size are ours to choose.
    "paper": dict(
        binarize="dynamic",
        hidden_dim=(500,),
        activation="tanh",
        batch_size=100,
        optimizer="adagrad",
        lr=0.02,
        lr_schedule="none",
        output_bias="random",
        init="normal",
        weight_prior="normal",
        matmul_precision="highest",
    ),
    # Table 1 of Burda et al. (arXiv:1509.00519), with a shorter schedule, which is ours
    "iwae": dict(
        binarize="dynamic",
        latent_dim=50,
        hidden_dim=(200, 200),
        activation="tanh",
        objective="iwae",
        samples=5,
        epochs=200,
        batch_size=250,
        lr=4e-3,
        lr_warmup=0.05,
        adam_beta2=0.999,
        matmul_precision="highest",
    ),
    # https://github.com/pytorch/examples/tree/main/vae, with the same numbers
    "pytorch-examples": dict(
        loss="bce",
        epochs=10,
        batch_size=128,
        lr=1e-3,
        lr_schedule="none",
        adam_beta2=0.999,
        fused=False,
        matmul_precision="highest",
        gradient="sum",
        output_bias="random",
        seed=1,
    ),
}
