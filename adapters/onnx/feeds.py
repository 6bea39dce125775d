"""Inputs of the user as the tensors that an ONNX model declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import columns, is_frame, n_rows
from blackbox_xai.adapters.cast import to_numbers, to_texts
from blackbox_xai.adapters.named import check_columns
from blackbox_xai.adapters.onnx.images import Images
from blackbox_xai.errors import InputError, LoadError

__all__ = ["Feeds", "TensorSpec"]

_DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bool": "bool",
    "string": "object",
    **{f"{u}int{bits}": f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class TensorSpec:
    """One declared input: its name, numpy type and shape, None where a dimension is free."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, node: Any) -> TensorSpec:
        """Return the declaration of an input of a session.

        Raises
        ------
        LoadError
            When the input is not a tensor of a type that inputs can have.
        """
        inner = node.type.removeprefix("tensor(").removesuffix(")")
        if inner not in _DTYPES:
            raise LoadError(f"The ONNX model's input {node.name!r} is a {node.type}, not a tensor.")
        shape = tuple(n if isinstance(n, int) and n > 0 else None for n in node.shape or ())
        return cls(node.name, np.dtype(_DTYPES[inner]), shape)

    @property
    def width(self) -> int | None:
        """Columns that this input takes; None when any number."""
        if len(self.shape) <= 1:
            return 1
        return self.shape[1] if len(self.shape) == 2 else None


@dataclass(frozen=True)
class Feeds:
    """Makes the tensors of one batch.

    Parameters
    ----------
    specs : tuple of TensorSpec
        The declared inputs.
    images : Images
        How images become tensors.
    missing : bool
        Whether NaN may be sent.
    """

    specs: tuple[TensorSpec, ...]
    images: Images
    missing: bool = False

    @property
    def fixed_batch(self) -> int | None:
        """The number of rows that the model takes at a time, when it takes no other."""
        sizes = {spec.shape[0] for spec in self.specs if spec.shape}
        return sizes.pop() if len(sizes) == 1 else None

    def tensors(self, batch: Any) -> dict[str, NDArray[Any]]:
        """Return the tensors for ``batch``.

        Raises
        ------
        InputError
            When columns are missing, unknown or of a wrong number, or a cell does not fit.
        """
        if hasattr(batch, "tocsr"):
            batch = batch.toarray()
        if len(self.specs) == 1:
            return {self.specs[0].name: self._only(batch)}
        if is_frame(batch) and all(spec.width == 1 for spec in self.specs):
            return self._by_name(batch)
        return self._by_position(batch)

    def padded(self, tensors: dict[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
        """Return the tensors with copies of their last row up to the fixed batch size."""
        size = self.fixed_batch
        if size is None or n == size:
            return tensors
        return {
            name: np.concatenate([rows, np.repeat(rows[-1:], size - n, axis=0)])
            for name, rows in tensors.items()
        }

    def _only(self, batch: Any) -> NDArray[Any]:
        """Return the one input: a matrix, texts, or images."""
        spec = self.specs[0]
        names = columns(batch) if is_frame(batch) else None
        rank = len(spec.shape)
        if rank == 4 and names is None:
            batch = self.images.stacked(batch)
        cells = batch.to_numpy() if names is not None else _as_array(batch, spec)
        if rank == 4:
            return self._cast(self.images.arranged(cells, spec.shape), spec, None)
        if rank == 2 and cells.ndim == 1 and spec.width in (1, None) and _is_text(spec):
            cells = cells[:, None]
        if rank == 1 and cells.ndim == 2 and cells.shape[1] == 1:
            cells = cells[:, 0]
        if rank and not _fits(cells.shape[1:], spec.shape[1:]):
            raise InputError(
                f"inputs have shape {cells.shape}, but the model's input {spec.name!r} takes "
                f"{_shape(spec.shape)}{_named(names)}."
            )
        return self._cast(self.images.scaled(cells), spec, names)

    def _by_name(self, frame: Any) -> dict[str, NDArray[Any]]:
        """Return one tensor for each column of a frame."""
        check_columns(columns(frame), tuple(spec.name for spec in self.specs))
        by_text = {str(name): name for name in columns(frame)}
        return {
            spec.name: self._column(
                frame[by_text[spec.name]].to_numpy()[:, None], spec, [spec.name]
            )
            for spec in self.specs
        }

    def _by_position(self, batch: Any) -> dict[str, NDArray[Any]]:
        """Cut the columns of a matrix into the inputs, in their order."""
        names = columns(batch) if is_frame(batch) else None
        cells = batch.to_numpy() if names is not None else np.asarray(batch)
        widths = [spec.width for spec in self.specs]
        if None in widths or cells.ndim != 2 or cells.shape[1] != sum(w or 0 for w in widths):
            wanted = ", ".join(f"{spec.name!r} {_shape(spec.shape)}" for spec in self.specs)
            raise InputError(
                f"inputs have shape {cells.shape}, but the model takes the inputs {wanted}. "
                "Give a frame with one column for each, or a matrix with their columns in order."
            )
        ends = np.cumsum([w or 0 for w in widths])
        tensors = {}
        for spec, stop in zip(self.specs, ends.tolist(), strict=True):
            start = stop - (spec.width or 0)
            own = [str(n) for n in names[start:stop]] if names is not None else None
            tensors[spec.name] = self._column(
                cells[:, start:stop],
                spec,
                own or [f"{spec.name}[{j}]" for j in range(stop - start)],
            )
        return tensors

    def _column(self, cells: NDArray[Any], spec: TensorSpec, names: list[str]) -> NDArray[Any]:
        cast = self._cast(cells, spec, names)
        return cast[:, 0] if len(spec.shape) == 1 else cast

    def _cast(self, cells: NDArray[Any], spec: TensorSpec, names: list[Any] | None) -> NDArray[Any]:
        def column(j: int) -> str:
            return f"column {j if names is None else shown(str(names[j]), 40)}"

        if _is_text(spec):
            return to_texts(cells, column)
        return to_numbers(cells, spec.dtype, column, missing=self.missing)


def _is_text(spec: TensorSpec) -> bool:
    return spec.dtype == np.object_


def _as_array(batch: Any, spec: TensorSpec) -> NDArray[Any]:
    """Return a batch as an array; ragged rows are refused."""
    try:
        array = np.asarray(batch, dtype=object if _is_text(spec) else None)
    except ValueError as error:
        raise InputError("inputs must have rows of one shape.") from error
    return array if array.ndim else array.reshape(n_rows(batch))


def _fits(given: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    return len(given) == len(declared) and all(
        d in (None, g) for g, d in zip(given, declared, strict=True)
    )


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"


def _named(names: list[Any] | None) -> str:
    return "" if names is None else f"; the columns given are {shown([str(n) for n in names])}"
