"""Which words make a review sound good? ``python examples/text_tfidf.py``.

TF-IDF without normalisation and a linear classifier, so that the true contribution of every word
to the decision score is known: its count times its weight times its coefficient. Three explainers,
which see nothing but scores, have to find exactly that.
"""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import blackbox_xai as bx

GOOD = [
    "a warm and funny film with a great cast",
    "great story, great music, and a happy end",
    "funny from start to end, the cast is wonderful",
    "a wonderful, moving story about old friends",
    "moving and beautiful, I laughed and I cried",
    "the best film of the year, warm and clever",
]
BAD = [
    "a dull and boring film with a weak cast",
    "weak story, loud music, and no end in sight",
    "boring from start to end, the jokes are awful",
    "an awful, tired story about old cars",
    "tired and ugly, I slept and I left",
    "the worst film of the year, dull and loud",
]


def main() -> None:
    """Explain one review three times, and compare with the truth."""
    vectorizer = TfidfVectorizer(norm=None)
    classifier = LogisticRegression()
    pipeline = make_pipeline(vectorizer, classifier)
    pipeline.fit(GOOD + BAD, ["good"] * len(GOOD) + ["bad"] * len(BAD))

    model = bx.as_model(pipeline, scale="score")
    review = "well, the cast is great, the story is boring, and the music is great!"
    masker = bx.TextMasker(unit="type")
    names = masker.bind(review).feature_names
    weights = vectorizer.transform([review]).toarray()[0] * classifier.coef_[0]
    place = vectorizer.vocabulary_
    truth = np.array([weights[place[n]] if n in place else 0.0 for n in names])

    for explainer in (bx.ExactShapley(), bx.KernelShap(), bx.Occlusion()):
        why = explainer.explain(model, review, masker)
        np.testing.assert_allclose(why.values[:, 0], truth, atol=1e-9)
        print(f"{type(explainer).__name__}: every word right to 1e-9, {why.cost.rows} model rows")
    print(why)
    assert names[int(truth.argmax())] == "great"
    assert names[int(truth.argmin())] == "boring"


if __name__ == "__main__":
    main()
