"""Error of Shapley estimators at equal model rows, side by side with the peers.

Run ``make bench-shapley``, or this file. Makes one environment for each peer with Python 3.12 or
newer, outside the repository; prints the median relative l2 error over instances and seeds, its
ratio to the best peer of each problem, and the rows each estimator used.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from shapley_problems import APART, KNOWN, UNSEEN, build, load

PEERS = {
    "shap": ["shap"],
    "shapiq": ["shapiq", "xgboost", "lightgbm"],
    "lightshap": ["lightshap"],
}


class Counted:
    """A model that counts its rows and forgets none."""

    def __init__(self, f):
        self.f, self.rows = f, 0

    def __call__(self, inputs):
        inputs = np.asarray(inputs, dtype=float)
        self.rows += len(inputs)
        return self.f(inputs)


def ours(names):
    import blackbox_xai as bx

    def run(make):
        def values(f, x, background, m, seed):
            explainer = make(budget=m * len(background), random_state=seed)
            why = explainer.explain(f, x, bx.TabularMasker(background))
            error = None if why.std_err is None else why.std_err[:, 0]
            return why.values[:, 0], error

        return values

    return {
        "Shapley": run(bx.Shapley),
        "Shapley high": run(lambda **kw: bx.Shapley(accuracy="high", **kw)),
        "own Leverage SHAP": run(bx.LeverageShapley),
        "own KernelShap": run(bx.KernelShap),
    }


def shap_peers(names):
    import shap

    def kernel(l1):
        def values(f, x, background, m, seed):
            np.random.seed(seed)  # noqa: NPY002  # shap has no other seed
            return shap.KernelExplainer(f, background).shap_values(
                x, nsamples=m - 2, l1_reg=l1, silent=True
            ), None

        return values

    def permutation(f, x, background, m, seed):
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.PermutationExplainer(f, masker, seed=seed)
        return explainer(x[None], max_evals=max(m, 2 * len(x) + 1), silent=True).values[0], None

    def sampling(f, x, background, m, seed):
        np.random.seed(seed)  # noqa: NPY002  # shap has no other seed
        explainer = shap.SamplingExplainer(f, background)
        # nsamples counts marginals of two rows each
        return explainer.shap_values(x, nsamples=m * len(background) // 2, silent=True), None

    return {
        "shap Kernel default": kernel("num_features(10)"),
        "shap Kernel no l1": kernel(False),
        "shap Permutation": permutation,
        "shap Sampling": sampling,
    }


def shapiq_peers(names):
    from shapiq import approximator as a

    def run(make):
        def values(f, x, background, m, seed):
            def game(kept):
                kept = np.asarray(kept, dtype=bool)
                rows = np.where(kept[:, None], x, background)
                return f(rows.reshape(-1, len(x))).reshape(len(kept), -1).mean(1)

            found = make(len(x), seed).approximate(budget=m, game=game)
            return np.array([found[(j,)] for j in range(len(x))]), None

        return values

    return {
        "shapiq Kernel paired": run(
            lambda n, s: a.KernelSHAP(n, pairing_trick=True, random_state=s)
        ),
        "shapiq Leverage": run(lambda n, s: a.LeverageSHAP(n, random_state=s)),
        "shapiq OddSHAP": run(lambda n, s: a.OddSHAP(n, random_state=s)),
        "shapiq RegressionMSR": run(lambda n, s: a.RegressionMSR(n, "SV", random_state=s)),
        "shapiq ProxySHAP": run(
            lambda n, s: a.ProxySHAP(
                n, max_order=1, index="SV", proxy_model="lightgbm", adjustment=True, random_state=s
            )
        ),
    }


def lightshap_peers(names):
    from lightshap import explain_any

    def kernel(f, x, background, m, seed):
        steps = max((m - 2) // (2 * len(x)) - 1, 1)
        found = explain_any(
            lambda inputs: f(np.asarray(inputs)),
            x[None],
            bg_X=background,
            method="kernel",
            how="h1" if len(x) > 2 else None,
            max_iter=steps,
            tol=1e-12,
            random_state=seed,
            verbose=False,
        )
        return np.asarray(found.shap_values)[0], None

    return {"lightshap Kernel": kernel}


FAMILIES = {"ours": ours, "shap": shap_peers, "shapiq": shapiq_peers, "lightshap": lightshap_peers}


def measure(family, paths, multiples, instances, seeds, limit):
    """Return one record for each estimator, problem and budget."""
    warnings.simplefilter("ignore")
    records = []
    estimators = FAMILIES[family](None)
    for path in paths:
        problem = load(path)
        d = problem.background.shape[1]
        for multiple in multiples:
            m = multiple * d
            for name, estimate in estimators.items():
                records.append(cell(name, estimate, problem, m, multiple, instances, seeds, limit))
                print(json.dumps(records[-1]), flush=True)
    return records


def cell(name, estimate, problem, m, multiple, instances, seeds, limit):
    f, errors, inside, ratio = Counted(problem.f), [], [], []
    began = time.perf_counter()
    for seed in range(seeds):
        for x, truth in zip(problem.xs[:instances], problem.truth, strict=False):
            if time.perf_counter() - began > limit and errors:
                break
            try:
                values, error = estimate(f, x, problem.background, m, seed)
            except Exception as failure:  # noqa: BLE001  # a peer that cannot is left out, not the comparison
                return {"name": name, "problem": problem.name, "m": multiple, "why": repr(failure)}
            off = np.asarray(values, float).ravel() - truth
            errors.append(np.linalg.norm(off) / np.linalg.norm(truth))
            if error is not None:
                inside.append((abs(off) <= 1.96 * error + 1e-12).mean())
                ratio.append(np.linalg.norm(error) / max(np.linalg.norm(off), 1e-300))
    return {
        "name": name,
        "problem": problem.name,
        "m": multiple,
        "error": float(np.median(errors)),
        "rows": f.rows / len(errors) / (m * len(problem.background)),
        "seconds": (time.perf_counter() - began) / len(errors),
        "coverage": float(np.mean(inside)) if inside else None,
        "predicted": float(np.median(ratio)) if ratio else None,
        "runs": len(errors),
    }


def environment(peer, folder):
    """Return the Python of an environment with the peer, made when it is not there."""
    home = folder / f"env-{peer}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        newest = next(
            (p for p in map(shutil.which, ("python3.13", "python3.12")) if works(p)), None
        )
        newest = newest or next(
            (p for p in map(str, Path.home().glob(".pyenv/versions/3.1[23]*/bin/python"))), None
        )
        if newest is None:
            raise SystemExit("the peers need Python 3.12 or newer on the path")
        subprocess.run([newest, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *PEERS[peer], "scikit-learn"], check=True
        )
        (home / "ready").touch()
    return python


def works(python):
    return (
        python and subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0
    )


def run_peer(peer, folder, options):
    python = environment(peer, folder)
    call = [str(python), __file__, "--family", peer, *options]
    done = subprocess.run(
        call,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{peer} failed: {done.stderr[-400:]}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def report(records, multiples):
    """Print the tables."""
    good = [r for r in records if "error" in r]
    names = list(dict.fromkeys(r["name"] for r in good))
    problems = list(dict.fromkeys(r["problem"] for r in good))
    of = {(r["name"], r["problem"], r["m"]): r for r in good}
    own = ("Shapley", "Shapley high", "own KernelShap")
    peers = [name for name in names if name not in own]
    for multiple in multiples:
        print(f"\nmedian relative l2 error, %, at {multiple} d coalitions' rows per background row")
        print(
            f"{'':24}"
            + "".join(f"{p:>12}" for p in problems)
            + f"{'geo/best':>10}{'worst':>8}{'rows':>6}"
        )
        best = {
            p: min(of[n, p, multiple]["error"] for n in peers if (n, p, multiple) in of)
            for p in problems
        }
        for name in names:
            cells = [of.get((name, p, multiple)) for p in problems]
            ratios = [c["error"] / best[p] for c, p in zip(cells, problems, strict=True) if c]
            rows = np.mean([c["rows"] for c in cells if c])
            print(
                f"{name:24}"
                + "".join(f"{100 * c['error']:12.3f}" if c else f"{'-':>12}" for c in cells)
                + f"{np.exp(np.mean(np.log(ratios))):10.2f}{max(ratios):8.2f}{rows:6.2f}"
            )
    print("\nerror bars of Shapley: coverage of 95 % intervals, %, and predicted / actual error")
    for p in problems:
        line = ""
        for multiple in multiples:
            c = of.get(("Shapley", p, multiple))
            if c and c["coverage"] is not None:
                line += f"   {multiple}d {100 * c['coverage']:.1f} {c['predicted']:.2f}"
        print(f"{p:12}{line}")
    for r in records:
        if "why" in r:
            print(f"left out: {r['name']} on {r['problem']} at {r['m']} d: {r['why'][:100]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "bench-shapley"
    )
    parser.add_argument("--problems", nargs="*")
    parser.add_argument("--apart", action="store_true", help="the problems set apart")
    parser.add_argument("--unseen", action="store_true", help="those made after a look at these")
    parser.add_argument("--multiples", type=int, nargs="*", default=[5, 10, 20, 40])
    parser.add_argument("--instances", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=2.0, help="seconds for a peer's cell")
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    args = parser.parse_args()
    chosen = APART if args.apart else UNSEEN if args.unseen else KNOWN
    names = args.problems or [make.__name__ for make in chosen]
    args.folder.mkdir(exist_ok=True, parents=True)
    if args.family:
        paths = [args.folder / f"{name}-0.pkl" for name in names]
        measure(args.family, paths, args.multiples, args.instances, args.seeds, args.limit)
        return
    paths = build(args.folder, names)
    options = ["--folder", str(args.folder), "--problems", *names]
    options += ["--multiples", *map(str, args.multiples), "--instances", str(args.instances)]
    options += ["--seeds", str(args.seeds), "--limit", str(args.limit)]
    limit = 2 * args.limit  # as far as one process goes, so that seldom a cell is cut
    records = measure("ours", paths, args.multiples, args.instances, args.seeds, limit)
    for peer in args.peers:
        records += run_peer(peer, args.folder, options)
    report(records, args.multiples)


if __name__ == "__main__":
    main()
