"""What a server tells about itself: protocol, names, shapes, limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.codecs import (
    PROTOCOLS,
    Codec,
    CustomJson,
    OpenInference,
    TextEmbeddings,
)
from blackbox_xai.adapters.http.codecs.oip import tensors_of
from blackbox_xai.adapters.http.faults import Fault, Reply
from blackbox_xai.errors import InputError, LoadError

__all__ = ["Found", "discover"]

Get = Callable[..., Reply | None]

_V2 = re.compile(r"(?P<root>.*)/v2/models/[^/]+(?:/versions/[^/]+)?(?:/infer)?/?$")
_V1 = re.compile(r".*/v1/models/[^/:]+(?:/(?:versions|labels)/[^/:]+)?(?::predict)?/?$")


@dataclass(frozen=True)
class Found:
    """A protocol, the path it lives at, the largest batch, and plain facts for people."""

    codec: Codec
    path: str
    max_rows: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def discover(get: Get, path: str, protocol: str | Codec | None) -> Found:
    """Return how to speak to the server.

    Parameters
    ----------
    get : callable
        ``get(path)`` and ``get(path, body)`` send a question, and return a reply or None.
    path : str
        Of the user's URL.
    protocol : str or Codec, optional
        What the user said.

    Raises
    ------
    LoadError
        When the server cannot be reached.
    InputError
        When the protocol cannot be found out.
    """
    if isinstance(protocol, Codec):
        return Found(protocol, path, facts={"protocol": type(protocol).__name__})
    try:
        name = protocol or _by_path(path)
        if name is None:
            name, path = _by_asking(get, path)
        if name not in _DETAILS:
            return Found(PROTOCOLS[name], path, facts={"protocol": name})
        return _DETAILS[name](get, path)
    except Fault as fault:
        reason = fault.reason.rstrip(".")
    # Not inside: the fault's traceback, which holds headers, would hang on to the error.
    raise LoadError(f"{reason}. Is the server running?")


def _by_path(path: str) -> str | None:
    """Return the protocol that the path gives away."""
    if _V2.match(path):
        return "v2"
    if _V1.match(path):
        return "v1"
    if path.endswith("/invocations"):
        return "mlflow"
    if re.match(r".*/predictions/[^/]+", path):
        return "torchserve"
    return None


def _by_asking(get: Get, path: str) -> tuple[str, str]:
    """Return protocol and path of a server given by its root or by a home-made path."""
    info = _json(get("/info"))
    if isinstance(info, dict) and "model_type" in info:
        return "tei", path
    if isinstance(info, dict) and "server" in info:
        return "litserve", "/predict" if path == "/" else path
    if isinstance(_json(get("/schema.json")), dict):
        return "bentoml", path
    root = path.rstrip("/")
    models = _models(get, root)
    if models is not None:
        return _only(models, root)
    if _text(get(root + "/version")).strip().count(".") == 2 and get(root + "/ping") is not None:
        return "mlflow", path
    raise InputError(
        f"The protocol at the path {shown(path)} cannot be found out. Pass protocol=... (one of "
        f"{', '.join(map(repr, PROTOCOLS))}, or CustomJson(request=..., answer=...)), or a URL "
        "such as http://host/v2/models/name."
    )


def _models(get: Get, root: str) -> tuple[str, list[str]] | None:
    """Return the protocol and the names of the models of a v2 or v1 server."""
    if isinstance(_json(get(root + "/v2")), dict):
        index = _json(get(root + "/v2/repository/index", {}))
        if not isinstance(index, list):
            listed = _json(get(root + "/v2/models"))
            index = listed.get("models") if isinstance(listed, dict) else []
        return "v2", _names(index)
    listed = _json(get(root + "/v1/models"))
    if isinstance(listed, dict) and isinstance(listed.get("models"), list):
        return "v1", _names(listed["models"])
    return None


def _names(listed: Any) -> list[str]:
    names = [item.get("name") if isinstance(item, dict) else item for item in listed or []]
    return [str(name) for name in names if name]


def _only(models: tuple[str, list[str]], root: str) -> tuple[str, str]:
    protocol, names = models
    if len(names) == 1:
        return protocol, f"{root}/{protocol}/models/{names[0]}"
    raise InputError(
        f"The server has the models {shown(names)}; give the URL of one of them, "
        f"such as http://host{root}/{protocol}/models/{names[0] if names else 'name'}."
    )


def _v2(get: Get, path: str) -> Found:
    base = path.removesuffix("/").removesuffix("/infer")
    match = _V2.match(path)
    root = match["root"] if match else ""
    about = _json(get(base))
    server = _json(get(root + "/v2"))
    config = _json(get(base + "/config"))
    about = about if isinstance(about, dict) else {}
    extensions = server.get("extensions") if isinstance(server, dict) else None
    binary = isinstance(extensions, list) and "binary_tensor_data" in extensions
    inputs, outputs = tensors_of(about.get("inputs")), tensors_of(about.get("outputs"))
    most = config.get("max_batch_size") if isinstance(config, dict) else None
    codec = OpenInference(
        inputs=inputs,
        output=outputs[0].name if len(outputs) == 1 else None,
        binary=binary,
    )
    facts = {
        "protocol": "v2",
        "server": _told(server, "name", "version"),
        "model": _told(about, "name", "versions", "platform"),
        "inputs": [vars(tensor) for tensor in inputs],
        "outputs": [vars(tensor) for tensor in outputs],
        "extensions": list(extensions or []),
        "max_batch_size": most,
    }
    return Found(codec, base, most if isinstance(most, int) and most > 0 else None, facts)


def _tei(get: Get, path: str) -> Found:
    info = _json(get("/info"))
    info = info if isinstance(info, dict) else {}
    kind = info.get("model_type")
    classifier = kind.get("classifier") if isinstance(kind, dict) else None
    labels = classifier.get("id2label") if isinstance(classifier, dict) else None
    order: tuple[str, ...] = ()
    if isinstance(labels, dict) and all(str(key).isdigit() for key in labels):
        order = tuple(str(labels[key]) for key in sorted(labels, key=int))
    most = info.get("max_client_batch_size")
    facts = {"protocol": "tei", "labels": list(order), "max_batch_size": most}
    return Found(
        TextEmbeddings(labels=order),
        path,
        most if isinstance(most, int) and most > 0 else None,
        facts,
    )


def _bentoml(get: Get, path: str) -> Found:
    """Find the route and the name of its argument in the server's schema."""
    schema = _json(get("/schema.json"))
    routes = schema.get("routes") if isinstance(schema, dict) else None
    routes = [r for r in routes or [] if isinstance(r, dict) and isinstance(r.get("route"), str)]
    if path != "/":
        routes = [r for r in routes if r["route"] == path]
    if len(routes) != 1:
        known = [r["route"] for r in routes]
        raise InputError(f"The server has the routes {shown(known)}; give the URL of one of them.")
    taken = routes[0].get("input")
    arguments = list(taken.get("properties", {})) if isinstance(taken, dict) else []
    if len(arguments) != 1:
        raise InputError(
            f"The route {routes[0]['route']} takes the arguments {shown(arguments)}; pass "
            "protocol=CustomJson(request={...}) that fills them."
        )
    codec = CustomJson(request={arguments[0]: "$rows"})
    facts = {"protocol": "bentoml", "route": routes[0]["route"], "argument": arguments[0]}
    return Found(codec, routes[0]["route"], facts=facts)


def _v1(get: Get, path: str) -> Found:
    base = path.removesuffix("/").removesuffix(":predict")
    status = _json(get(base))
    facts = {"protocol": "v1", "model": status if isinstance(status, dict) else None}
    return Found(PROTOCOLS["v1"], base, facts=facts)


_DETAILS: dict[str, Callable[[Get, str], Found]] = {
    "v2": _v2,
    "v1": _v1,
    "tei": _tei,
    "bentoml": _bentoml,
}


def _told(value: Any, *keys: str) -> dict[str, Any] | None:
    return {key: value.get(key) for key in keys} if isinstance(value, dict) else None


def _json(reply: Reply | None) -> Any:
    if reply is None or reply.status != 200:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _text(reply: Reply | None) -> str:
    if reply is None or reply.status != 200:
        return ""
    return reply.body[:100].decode("utf-8", "replace")
