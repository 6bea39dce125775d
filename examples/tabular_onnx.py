"""Why does an ONNX model call this tumour malignant? ``python examples/tabular_onnx.py``.

The model is a file; nothing but its answers is used. KernelShap spends at most 20,000 model rows,
and every attribution comes with its standard error.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import blackbox_xai as bx


def main() -> None:
    """Explain one held-out row, and check the explanation on the model itself."""
    demo = bx.load_demo()
    model = bx.as_model(demo.model_path, output_names=demo.output_names)
    masker = bx.TabularMasker(demo.background[:100], feature_names=demo.feature_names)
    x = demo.x[np.argmax(demo.y == 0)]

    why = bx.KernelShap(budget=20_000).explain(model, x, masker, outputs="malignant")
    print(why)
    why.plot(title="Why malignant?").figure.savefig("tabular_onnx.png")
    plt.close("all")

    # The attributions add up to what is to be explained, and the budget was kept.
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-9)
    assert why.cost.rows <= 20_000
    # Do they point at what the model looks at? Hide the five strongest features, then five others.
    order = np.argsort(-why.values[:, 0])
    drops = []
    for hidden in (order[:5], order[-5:]):
        kept = np.ones(len(order), dtype=bool)
        kept[hidden] = False
        mean = model.predict(masker.bind(x).apply(kept)).mean(axis=0)
        drops.append(float(why.scores[0] - mean[0]))
    print(
        f"hiding the five strongest features costs {drops[0]:.2f}, the five weakest {drops[1]:.2f}"
    )
    assert drops[0] > 0.2 > abs(drops[1])
    # The same seed gives the same bits.
    again = bx.KernelShap(budget=20_000).explain(model, x, masker, outputs="malignant")
    assert np.array_equal(again.values, why.values)


if __name__ == "__main__":
    main()
