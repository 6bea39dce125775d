"""Home-made JSON: a template for the request, a path to the scores in the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from blackbox_xai._checks import check_choice, shown
from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.codecs.png import to_base64_png
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import (
    answer_of_list,
    check_json,
    invalid,
    labelled,
    parse_json,
    to_json,
)
from blackbox_xai.errors import AnswerError, InputError

__all__ = ["CustomJson"]

Layout = Literal["list", "dict", "columns", "flat"]
_HOLES = ("$rows", "$row", "$text", "$image_base64")


@dataclass(frozen=True, kw_only=True)
class CustomJson(Codec):
    """JSON in the words of one server.

    Parameters
    ----------
    request : object
        JSON with one hole, a text that stands for the inputs: ``"$rows"`` (all rows of a
        batch), or, for servers that take one at a time, ``"$row"``, ``"$text"`` or
        ``"$image_base64"`` (a PNG; uint8, or floats from 0 to 1).
    layout : {"list", "dict", "columns", "flat"}
        How a row, or all rows, are written: lists of values, objects by column name, one object
        of columns, or one flat list.
    answer : str
        JMESPath to the scores: a list of ``n`` numbers or of ``n`` lists of ``k`` numbers (or of
        ``n`` lists of label and score). Default: the whole answer.
    error : str
        JMESPath that is null unless the server reports an error with status 200.
    labels : tuple of str
        Labels in the order of the outputs, when scores come with labels. Empty: sorted.
    label_key, score_key : str
        Keys of such objects.
    to_body : callable, optional
        ``to_body(rows) -> bytes`` instead of the template; receives the rows as lists.
    from_body : callable, optional
        ``from_body(body, n) -> list`` instead of ``answer``.
    content_type : str
        Of the request.

    References
    ----------
    JMESPath specification, https://jmespath.org/specification.html

    Examples
    --------
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> codec = CustomJson(request={"data": "$rows"}, answer="result[*].p")
    >>> codec.encode(as_rows([[1, 2]]), "").body
    b'{"data":[[1,2]]}'
    """

    request: Any = field(default_factory=lambda: {"instances": "$rows"})
    layout: Layout = "list"
    answer: str = "@"
    error: str = "error"
    labels: tuple[str, ...] = ()
    label_key: str = "label"
    score_key: str = "score"
    to_body: Callable[[list[Any]], bytes] | None = None
    from_body: Callable[[bytes, int], Any] | None = None
    content_type: str = "application/json"

    def __post_init__(self) -> None:
        import jmespath

        check_choice("layout", self.layout, ("list", "dict", "columns", "flat"))
        check_json("request", self.request)
        if self.to_body is None and len(_holes(self.request)) != 1:
            raise InputError(
                f"request must hold one of {', '.join(_HOLES)} once, got {shown(self.request)}."
            )
        for name, path in (("answer", self.answer), ("error", self.error)):
            try:
                jmespath.compile(path)
            except jmespath.exceptions.JMESPathError as error:
                raise InputError(f"{name} is no JMESPath: {shown(str(error), 200)}") from None

    @property
    def rows_limit(self) -> int | None:
        """One row at a time unless the template takes ``$rows``."""
        return None if self.to_body is not None or _holes(self.request) == ["$rows"] else 1

    def sends_names(self, rows: Rows) -> bool:
        """Tell whether the layout writes the columns' names."""
        return self.layout in ("dict", "columns")

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the template with its hole filled."""
        headers = {"Content-Type": self.content_type}
        if self.to_body is not None:
            return Payload(self.to_body(rows.to_lists()), headers)
        hole = _holes(self.request)[0]
        return Payload(to_json(_filled(self.request, hole, self._value(rows, hole))), headers)

    def _value(self, rows: Rows, hole: str) -> Any:
        if hole == "$image_base64":
            return to_base64_png(rows.array[0])
        if hole == "$text":
            if not rows.texts:
                raise InputError("request has the hole $text, but inputs are no texts.")
            return rows.array[0]
        if self.layout == "columns":
            columns = rows.to_columns()
            return columns if hole == "$rows" else {name: v[0] for name, v in columns.items()}
        values = rows.to_lists()
        if self.layout == "dict":
            names = rows.named()
            values = [dict(zip(names, row, strict=True)) for row in values]
        if self.layout == "flat":
            return [value for row in values for value in _flat(row)]
        return values if hole == "$rows" else values[0]

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores that stand at the path."""
        import jmespath

        if self.from_body is not None:
            return answer_of_list(_listed(self.from_body(reply.body, n)), n)
        message = parse_json(reply)
        try:
            trouble = jmespath.search(self.error, message) if isinstance(message, dict) else None
            value = jmespath.search(self.answer, message)
        except jmespath.exceptions.JMESPathError as error:
            raise invalid(f"the path {self.answer!r} fails: {shown(str(error))}") from None
        if trouble is not None and trouble is not False:
            raise invalid(f"the server reports an error with status 200: {shown(trouble)}")
        if value is None:
            raise Fault(
                Verdict.AGAIN,
                f"nothing stands at {self.answer!r} in the answer {shown(message)}",
                sent=True,
                error=AnswerError,
            )
        if self.rows_limit == 1 and not _lists_one(value):
            value = [value]
        if _has_labels(value, self.label_key):
            return labelled(
                value, n, label=self.label_key, score=self.score_key, order=self.labels or None
            )
        return answer_of_list(value, n, f"the answer at {self.answer!r}")


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _lists_one(value: Any) -> bool:
    """Tell whether ``value`` is already a list of one row."""
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], list)


def _has_labels(value: Any, key: str) -> bool:
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, dict) and key in value


def _flat(row: Any) -> list[Any]:
    return [v for part in row for v in _flat(part)] if isinstance(row, list) else [row]


def _holes(template: Any) -> list[str]:
    if isinstance(template, dict):
        return [hole for value in template.values() for hole in _holes(value)]
    if isinstance(template, list | tuple):
        return [hole for value in template for hole in _holes(value)]
    return [template] if template in _HOLES else []


def _filled(template: Any, hole: str, value: Any) -> Any:
    if isinstance(template, dict):
        return {key: _filled(part, hole, value) for key, part in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(part, hole, value) for part in template]
    return value if isinstance(template, str) and template == hole else template
