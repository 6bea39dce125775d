"""Estimators from files: skops archives by an allow list, pickles only when asked for."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.adapters.answers import one_line
from blackbox_xai.adapters.estimator import SklearnModel
from blackbox_xai.errors import LoadError
from blackbox_xai.protocols import Scale

__all__ = ["PICKLES", "load_model"]

PICKLES = frozenset({".joblib", ".pkl", ".pickle"})
_MAX_BYTES = 2 << 30
_MAX_SCHEMA = 64 << 20
_MAX_MEMBERS = 100_000

# Types of scikit-learn, numpy and scipy that skops does not load by itself. Each was looked at:
# it holds numbers, settings or other listed types, and neither its constructor nor its
# __setstate__ calls what the file names.
_REVIEWED = frozenset(
    {
        "numpy.dtype",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_array",
        "scipy.sparse._csr.csr_matrix",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        *(
            f"sklearn._loss.loss.{name}"
            for name in (
                "AbsoluteError",
                "HalfGammaLoss",
                "HalfPoissonLoss",
                "HalfSquaredError",
                "HalfTweedieLoss",
                "HalfTweedieLossIdentity",
                "HuberLoss",
                "PinballLoss",
            )
        ),
        *(
            f"sklearn.gaussian_process.kernels.{name}"
            for name in (
                "ConstantKernel",
                "DotProduct",
                "ExpSineSquared",
                "Exponentiation",
                "Matern",
                "Product",
                "RBF",
                "RationalQuadratic",
                "Sum",
                "WhiteKernel",
            )
        ),
        *(
            f"sklearn.metrics._dist_metrics.{name}Distance{bits}"
            for name in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski", "SEuclidean")
            for bits in (32, 64)
        ),
    }
)


def load_model(
    path: Any,
    *,
    trust_pickle: bool = False,
    output_names: Any = None,
    scale: Scale | None = None,
    batch_size: int | None = None,
) -> SklearnModel:
    """Return the estimator in a ``.skops``, ``.joblib`` or ``.pkl`` file as a model.

    A skops archive may only hold types of a reviewed list: nothing that it names is called. A
    pickle can run any program when it is opened, so it is opened only with ``trust_pickle=True``.

    Parameters
    ----------
    path : path
        The file.
    trust_pickle : bool
        Whether a pickle may be opened: say so only for a file whose origin is known.
    output_names, scale, batch_size
        As for ``SklearnModel``.

    Returns
    -------
    SklearnModel

    Raises
    ------
    LoadError
        When the file cannot be opened, is a pickle that is not trusted, or holds types that are
        not on the list.

    Notes
    -----
    The list keeps a file from calling code. It does not make the numbers in it right: a forged
    tree may still crash the process. Open files of enemies in a process with limits.

    Examples
    --------
    >>> load_model("model.pkl")
    Traceback (most recent call last):
    ...
    blackbox_xai.errors.LoadError: model.pkl is a pickle, which runs code when it is opened. \
If you know where it comes from, pass trust_pickle=True to load_model; safer: save it as .skops.
    """
    place = Path(os.fsdecode(path))
    if place.suffix.lower() in PICKLES:
        if not trust_pickle:
            raise LoadError(
                f"{place.name} is a pickle, which runs code when it is opened. If you know where "
                "it comes from, pass trust_pickle=True to load_model; safer: save it as .skops."
            )
        estimator = _unpickled(place, _content(place))
    elif place.suffix.lower() == ".skops":
        estimator = _from_skops(place, _content(place))
    else:
        raise LoadError(f"{place.name} must end in .skops, {', '.join(sorted(PICKLES))}.")
    return SklearnModel(estimator, output_names=output_names, scale=scale, batch_size=batch_size)


def _content(place: Path) -> bytes:
    """Return the bytes of a regular file of limited size."""
    try:
        status = place.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LoadError(f"{place.name} is no file.")
        if status.st_size > _MAX_BYTES:
            raise LoadError(f"{place.name} has {status.st_size} bytes, more than {_MAX_BYTES}.")
        return place.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LoadError(f"{shown(str(place))} cannot be opened: {reason}.") from error


def _unpickled(place: Path, content: bytes) -> Any:
    import joblib

    digest = hashlib.sha256(content).hexdigest()
    warnings.warn(
        f"Opened the pickle {place.name} (sha256 {digest}) because trust_pickle=True: "
        "whatever it contains was run.",
        stacklevel=3,
    )
    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:
        raise LoadError(f"{place.name} cannot be unpickled: {one_line(error, 200)}") from error


def _from_skops(place: Path, content: bytes) -> Any:
    try:
        skops = importlib.import_module("skops.io")
    except ImportError as error:
        raise LoadError(
            f"{place.name} needs skops to be opened: pip install 'blackbox_xai[skops]'."
        ) from error
    _check_archive(place, content)
    try:
        foreign = sorted(set(skops.get_untrusted_types(data=content)) - _REVIEWED)
    except Exception as error:
        raise LoadError(f"{place.name} is no skops archive: {one_line(error, 200)}") from error
    if foreign:
        raise LoadError(
            f"{place.name} holds types that are not on the reviewed list: {shown(foreign, 300)}. "
            "Open it with skops.io.load yourself if you trust them, and pass the estimator."
        )
    try:
        return skops.loads(content, trusted=sorted(_REVIEWED))
    except Exception as error:
        raise LoadError(f"{place.name} cannot be opened: {one_line(error, 200)}") from error


def _check_archive(place: Path, content: bytes) -> None:
    """Look at what the archive unpacks to before anything in it is unpacked."""
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile as error:
        raise LoadError(f"{place.name} is no skops archive: it is no zip file.") from error
    total = sum(member.file_size for member in members)
    schema = max((m.file_size for m in members if m.filename == "schema.json"), default=0)
    if total > _MAX_BYTES or schema > _MAX_SCHEMA or len(members) > _MAX_MEMBERS:
        raise LoadError(
            f"{place.name} unpacks to {total} bytes in {len(members)} parts ({schema} of them the "
            f"schema); at most {_MAX_BYTES}, {_MAX_MEMBERS} and {_MAX_SCHEMA} are opened."
        )
