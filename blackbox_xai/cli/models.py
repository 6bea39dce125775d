"""The model named on the command line."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blackbox_xai._checks import shown
from blackbox_xai.errors import LoadError

if TYPE_CHECKING:
    from blackbox_xai.adapters.base import Adapter

__all__ = ["model_facts", "open_model", "without_secrets"]

_PICKLES = (".joblib", ".pkl", ".pickle")
_SAVED = (".skops", *_PICKLES)
_OBJECT = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def open_model(
    name: str,
    *,
    classes: tuple[str, ...] | None = None,
    scale: str | None = None,
    batch_size: int | None = None,
    trust_pickle: bool = False,
    cache: str | None = None,
    columns: tuple[str, ...] | None = None,
) -> Adapter:
    """Return the model that ``name`` means: a file, an address, or ``package.module:object``.

    ``columns`` names the columns in the order in which a server takes them.

    Raises
    ------
    LoadError
        When it cannot be opened or reached.
    """
    import blackbox_xai as bx

    model = _opened(
        name,
        {"output_names": classes, "scale": scale, "batch_size": batch_size},
        trust_pickle=trust_pickle,
        columns=columns,
    )
    if cache is None:
        return model
    told = None if model.fingerprint() else without_secrets(name)
    return bx.RecordedModel(model, cache, fingerprint=told)


def _opened(
    name: str,
    settings: dict[str, Any],
    *,
    trust_pickle: bool,
    columns: tuple[str, ...] | None,
) -> Adapter:
    import blackbox_xai as bx

    if name.startswith(("http://", "https://")):
        return bx.HttpModel(name, columns=columns, **settings)
    suffix = Path(name).suffix.lower()
    if suffix == ".toml":
        from blackbox_xai.cli.config import configured

        return configured(name, {"columns": columns, **settings})
    if suffix in _PICKLES and not trust_pickle:
        raise LoadError(
            f"{shown(name)} is a pickle, which runs code when it is opened. If you know where it "
            "comes from, pass --trust-pickle; safer: save it as .skops."
        )
    if suffix in _SAVED:
        return bx.load_model(name, trust_pickle=trust_pickle, **settings)
    if suffix != ".onnx" and _OBJECT.match(name):
        return bx.as_model(_imported(name), **settings)
    if suffix != ".onnx":
        raise LoadError(
            f"{shown(without_secrets(name))} is no model: give a file (.onnx, .skops, .joblib, "
            ".toml), an address (http, https), or package.module:object."
        )
    return bx.as_model(name, **settings)


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())  # not ".", for which the import system remembers an earlier folder
    sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise LoadError(f"{module} cannot be imported: {error}.") from error
    finally:
        sys.path.remove(here)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadError(f"{module} has no {shown(attribute)}.")
        found = getattr(found, part)
    return found


def model_facts(name: str) -> dict[str, Any]:
    """Return what a report says of the model: its name, and for a file its size and SHA-256."""
    path = Path(name)
    if path.suffix.lower() == ".toml":
        from blackbox_xai.cli.config import described_url

        return {"name": without_secrets(described_url(name))}
    if name.startswith(("http://", "https://")) or not path.is_file():
        return {"name": without_secrets(name)}
    from blackbox_xai.report.subject import file_facts

    return file_facts(path)


def without_secrets(text: str) -> str:
    """Return ``text`` with user names and query values of addresses taken out.

    Examples
    --------
    >>> without_secrets("https://me:pw@models.example/predict?key=abc")
    'https://•••@models.example/predict?key=•••'
    """
    text = re.sub(r"(https?://)[^/@\s]*@", r"\1•••@", text)
    return re.sub(r"([?&][^=&\s]+=)[^&\s]+", r"\1•••", text)
