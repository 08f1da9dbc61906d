"""Which settings go together: checks of a `TrainConfig` as a whole."""

from __future__ import annotations

from typing import Any

from vaelib.checks import ConfigError, check_name, invalid


def check_together(config: Any, known: tuple[str, ...]) -> None:
    """Raise ConfigError if settings do not go together; `known` are data sets."""
    check_dataset(config, known)
    check_method(config)
    check_objective(config)
    check_cures(config)
    check_name("group", config.group)
    check_name("name", config.name)


def check_dataset(config: Any, known: tuple[str, ...]) -> None:
    """Raise ConfigError if the data set is not `known`, or has another shape."""
    is_folder = config.is_folder
    if not is_folder and config.dataset not in (*known, "tensors"):
        advice = f"give one of {', '.join(known)}, or folder:PATH"
        raise invalid("dataset", config.dataset, advice)
    if config.channels == 2:
        raise invalid("channels", 2, "give 1 (grey) or 3 (RGB)")
    has_shape = not is_folder and config.dataset != "sprites"
    if has_shape and (config.channels, config.image_size) != (1, 28):
        raise ConfigError(
            "channels and image_size are for sprites and folder:PATH; "
            f"{config.dataset} has its own shape."
        )
    if config.model == "conv" and not has_shape:
        shape = config.channels, config.image_size, config.image_size
        conv_shapes(shape, config.conv_channels)


def conv_shapes(
    shape: tuple[int, ...], conv_channels: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Return the shape (C, H, W) of an image, and that after each convolution.

    Each of these halves the sides, rounded down. Raises ConfigError if nothing would
    be left, or if there is no convolution.
    """
    shapes = [shape]
    for channels in conv_channels:
        _, height, width = shapes[-1]
        shapes.append((channels, height // 2, width // 2))
    most = min(shape[1:]).bit_length() - 1
    if not 1 <= len(conv_channels) <= most:
        sides = " x ".join(map(str, shape[1:]))
        advice = f"give 1 to {most} numbers, since each convolution halves the sides"
        raise invalid("conv_channels", conv_channels, f"{advice} of {sides} pixels")
    return shapes


def check_method(config: Any) -> None:
    """Raise ConfigError if the method does not have a setting that was given."""
    if config.method != "aevb":
        names = "beta beta_changes beta_schedule reduction compile"
        names += " objective samples estimator free_bits capacity encoder_updates"
        refuse(config, names, f"method {config.method}")


def check_objective(config: Any) -> None:
    """Raise ConfigError if the objective does not have a setting that was given.

    With a reconstruction that is a mean over pixels, a mean of weights would be no
    bound of anything.
    """
    if config.objective == "iwae":
        refuse(config, "reduction", "objective iwae")
    elif config.estimator == "dreg":
        advice = "it is for objective iwae, give standard or stl"
        raise invalid("estimator", "dreg", advice)


def check_cures(config: Any) -> None:
    """Raise ConfigError if a cure of posterior collapse does not have a setting.

    All three change the training by the two terms of the bound. Capacity replaces
    beta * KL.
    """
    for name in ("free_bits", "capacity", "encoder_updates"):
        if getattr(config, name):
            refuse(config, "objective estimator", name)
    if config.capacity:
        names = "free_bits beta beta_changes beta_schedule reduction"
        refuse(config, names, "capacity")


def refuse(config: Any, names: str, what: str) -> None:
    """Raise ConfigError if a setting that `what` does not have is not the default."""
    for name in names.split():
        value = getattr(config, name)
        if value != type(config).__dataclass_fields__[name].default:
            advice = f"{what} has no such setting, leave it out"
            raise invalid(name, value, advice)
