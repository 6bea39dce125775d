"""From options to objects: what commands that ask a model have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from blackbox_xai.cli.data import choose_columns, read_data
from blackbox_xai.cli.models import open_model
from blackbox_xai.cli.readers import Data

if TYPE_CHECKING:
    from blackbox_xai.adapters.base import Adapter

__all__ = ["Inputs", "read_columns", "read_inputs", "split_names", "the_model"]

_REFERENCE = 200


@dataclass(frozen=True, eq=False)
class Inputs:
    """Data of a command and the reference that goes with it."""

    data: Data
    background: Any


def split_names(text: str | None) -> tuple[str, ...]:
    """Return names separated by commas.

    Examples
    --------
    >>> split_names("age, income"), split_names(None)
    (('age', 'income'), ())
    """
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def the_model(given: dict[str, Any], names: tuple[str, ...] = ()) -> Adapter:
    """Return the model that the options name, for data with columns of these names."""
    return open_model(
        given["model"],
        classes=split_names(given["classes"]) or None,
        scale=given["scale"],
        batch_size=given["batch_size"],
        trust_pickle=given["trust_pickle"],
        cache=given["cache"],
        columns=names or None if given["by_position"] else None,
    )


def read_columns(given: dict[str, Any], place: str) -> Data:
    """Return the data in the file that one of the options names, its columns chosen."""
    keep, drop = split_names(given["columns"]), split_names(given["drop"])
    read = read_data(given[place], labels=given["labels"], stdin=given["stdin_format"])
    return choose_columns(read, keep, drop)


def read_inputs(given: dict[str, Any]) -> Inputs:
    """Return the data that the options name; rows of it stand for a background not given."""
    data = read_columns(given, "data")
    if given["background"] is not None:
        background = read_data(given["background"])
        if background.names and data.names:
            background = choose_columns(background, keep=data.names)
        return Inputs(data, background.inputs)
    if not (data.names or getattr(data.inputs, "ndim", 0) == 2):
        return Inputs(data, None)
    if not given["quiet"]:
        click.echo("No --background: rows of DATA stand for it.", err=True)
    step = max(len(data.inputs) // _REFERENCE, 1)
    rows = data.inputs.iloc[::step] if hasattr(data.inputs, "iloc") else data.inputs[::step]
    return Inputs(data, rows)
