"""How often 95 % error bars hold the value that 64k samples give, for every local explainer.

Run ``make bench-local``, or this file. Three games of 12 features with known difficulties: main
effects with interactions of all orders, a saturated probability, and a rule that holds rarely. For
each explainer that reports errors the table has the share of values inside 1.96 standard errors,
over features and seeds, and the root mean square of error over standard error. Values that both
runs know to a millionth of the largest one are left out. No peer reports errors, so nobody stands
beside.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

import blackbox_xai as bx

D = 12
WORDS = tuple(f"word{i}" for i in range(D))
LABELS = np.kron(np.arange(D).reshape(3, 4), np.ones((4, 4), dtype=int))
RNG = np.random.default_rng(0)
WEIGHTS, PAIRS = RNG.normal(size=D), np.triu(RNG.normal(size=(D, D)), 1) / 3
X = RNG.normal(size=(200, D))
IMAGE = RNG.random((12, 16)) + 0.5


def bent(z):
    cubes = z[:, 3] * z[:, 4] * z[:, 5] + z[:, 6] * z[:, 7] * z[:, 8] * z[:, 9]
    return z @ WEIGHTS + np.einsum("ni,ij,nj->n", z, PAIRS, z) + cubes + np.tanh(z[:, 0] - z[:, 1])


def saturated(z):
    return 1 / (1 + np.exp(-4 * (z @ WEIGHTS) / D**0.5))


def rule(z):
    return (z[:, :2] > 0.5).all(axis=1) + 0.7 * (z[:, 2:5] > 0.5).all(axis=1) + 0.1 * z @ WEIGHTS


GAMES = {"interactions": bent, "saturated": saturated, "rare rule": rule}


def on_table(game):
    return game


def on_text(game):
    def model(texts):
        return game(np.array([[word in text for word in WORDS] for text in texts], dtype=float))

    return model


def on_image(game):
    def model(images):
        blocks = images.reshape(-1, 3, 4, 4, 4).mean(axis=(2, 4)).reshape(-1, D)
        return game(blocks)

    return model


def cases():
    """Yield name, explainer of (rows, seed), model, input, masker, rows, rows of the truth."""
    text, words = " ".join(WORDS), bx.TextMasker()
    image, few = bx.ImageMasker(LABELS, fill=0.0), bx.TabularMasker(X)
    hidden = bx.TabularMasker(np.zeros((1, D)))
    ones, many = np.ones(D), 65_536

    def lime(**settings):
        return lambda n, seed: bx.Lime(n_samples=n, random_state=seed, **settings)

    def rise(**settings):
        return lambda n, seed: bx.Rise(n_samples=n, random_state=seed, **settings)

    def gp(**settings):
        return lambda n, seed: bx.SuperpixelGP(budget=n, random_state=seed, **settings)

    def smooth(n, seed):
        return bx.SmoothGrad(n_points=n, noise=0.3, step=1e-3, budget=10**7, random_state=seed)

    def telescope(n, seed):
        return bx.IntegratedGradients(
            mode="telescoping", n_orders=n, budget=10**7, random_state=seed
        )

    # 12 features are few enough for Lime to be exact from 4,096 rows on, with one fill.
    yield "Lime, images", lime(), on_image, IMAGE, image, 300, many
    yield "Lime, texts", lime(), on_text, text, words, 300, many
    yield "Lime, texts, compat", lime(compat="lime"), on_text, text, words, 300, many
    yield "Lime, tables, hidden", lime(), on_table, X[0], few, 600, many
    yield "Lime, tables, compat", lime(compat="lime"), on_table, X[0], few, 1024, many
    yield "Lime, tables, around x", lime(around=0.5), on_table, X[0], few, 400, many
    yield "Rise, images", rise(cells=4), on_image, IMAGE, image, 400, many
    yield "Rise, texts", rise(), on_text, text, words, 400, many
    yield "Rise, tables", rise(), on_table, ones, hidden, 400, many
    for n in (120, 500):
        yield f"SuperpixelGP, {n} rows", gp(), on_image, IMAGE, image, n, many
        yield "the same, not adaptive", gp(adaptive=False), on_image, IMAGE, image, n, many
    for n in (20, 40):
        yield f"SmoothGrad, {n} points", smooth, on_table, X[0], few, n, 2 * (many // D // 4)
        yield f"telescoping, {n} orders", telescope, on_table, ones, hidden, n, 2 * (many // D // 2)


def occlusion(game, seeds):
    """Errors and standard errors of Occlusion over 30 rows drawn from 20,000."""
    pool = np.random.default_rng(1).normal(size=(20_000, D))
    x, shown = np.ones(D), []
    for j in range(D):
        hidden = np.repeat(x[None], len(pool), axis=0)
        hidden[:, j] = pool[:, j]
        shown.append(game(x[None])[0] - game(hidden).mean())
    for seed in range(seeds):
        rows = np.random.default_rng(seed).choice(len(pool), 30, replace=False)
        why = bx.Occlusion().explain(game, x, bx.TabularMasker(pool[rows]))
        yield why.values[:, 0] - np.array(shown), why.std_err[:, 0]


def repeated(explainer, model, x, masker, rows, truth, seeds):
    """Errors and standard errors of one output; rounding errors left out."""
    large = explainer(truth, 999).explain(model, x, masker)
    unsure = np.zeros(D) if large.std_err is None else large.std_err[:, 0]
    least = 1e-6 * np.abs(large.values).max()
    for seed in range(seeds):
        why = explainer(rows, seed).explain(model, x, masker)
        drawn = np.maximum(why.std_err[:, 0], unsure) > least
        yield (why.values - large.values)[drawn, 0], why.std_err[drawn, 0]


def row(name, found):
    print(f"{name:<26}", end="")
    for pairs in found:
        error, std_err = (np.concatenate(part) for part in zip(*pairs, strict=True))
        if not len(error):
            print(f"{'exact':>18}", end="")
            continue
        inside = (np.abs(error) <= 1.96 * std_err).mean()
        print(
            f"{inside:>12.3f} /{(error**2).mean() ** 0.5 / (std_err**2).mean() ** 0.5:>5.2f}",
            end="",
        )
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", default="")
    options, _ = parser.parse_known_args()
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    print(f"{'inside / error over se':<26}" + "".join(f"{name:>18}" for name in GAMES))
    for name, explainer, on, x, masker, rows, truth in cases():
        if options.only not in name:
            continue
        # A rule has no gradient.
        games = [g for g in GAMES.values() if g is not rule or "Grad" not in name]
        run = [repeated(explainer, on(g), x, masker, rows, truth, options.seeds) for g in games]
        row(name, [list(pairs) for pairs in run])
    if options.only in "Occlusion, 30 draws":
        row("Occlusion, 30 draws", [list(occlusion(g, options.seeds)) for g in GAMES.values()])
    print("BlockGradient, IntegratedGradients on a path and Rise(prior='gp') report no errors.")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
