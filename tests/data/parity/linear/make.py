"""Write what scikit-learn and CRFsuite make of a few sentences: vectors, coefficients, probabilities, weights.

    pip install scikit-learn sklearn-crfsuite
    python tests/data/parity/linear/make.py          # beside itself: vectors.json, logistic.json, tagger.json

Sentences are made up here. Solvers run until they move no more, so that the numbers are those of the minimum and not of where one stopped.
"""

import json
import pathlib

import numpy as np
import sklearn_crfsuite
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

HERE = pathlib.Path(__file__).parent
TEXTS = [
    "The film is good, the film is great", "a bad  film", "Good acting; a great\tstory", "bad story, bad acting!", "the end", "I",
    "Straße in ÉCOLE x² ½ under_score 42", "好电影 很好看", "坏电影，很难看", "Good GOOD good", "", "a b cd efg  hij\n\nk", "naïve café coöperate",
    "the story of the film", "great end, bad start", "很好 很好 a story",
]
LABELS = ["+", "-", "+", "-", "o", "o", "o", "+", "-", "+", "o", "o", "o", "o", "-", "+"]


def vectors():
    cases = []
    for options in [
        {}, dict(ngram_range=[1, 2]), dict(ngram_range=[2, 3], min_df=1), dict(analyzer="char", ngram_range=[1, 3]),
        dict(analyzer="char_wb", ngram_range=[2, 4]), dict(sublinear_tf=True, min_df=2), dict(lowercase=False, max_df=0.2),
        dict(analyzer="char", ngram_range=[2, 2], min_df=2, max_df=0.5),
    ]:
        v = TfidfVectorizer(**{k: tuple(x) if isinstance(x, list) else x for k, x in options.items()})
        x = v.fit_transform(TEXTS)
        rows = [[[int(c), float(d)] for c, d in sorted(zip(r.indices, r.data))] for r in x]
        cases.append(dict(options=options, terms=v.get_feature_names_out().tolist(), rows=rows))
    return dict(texts=TEXTS, cases=cases)


def logistic():
    cases = []
    rng = np.random.default_rng(3)
    dense = rng.normal(size=(60, 4)).round(3)
    three = np.where(dense[:, 0] + 0.5 * rng.normal(size=60) > 0.4, "x", np.where(dense[:, 1] > 0, "y", "z"))
    for name, x, y in [("three", dense, three), ("two", dense, np.where(three == "x", "yes", "no"))]:
        for options in [dict(C=1.0), dict(C=30.0), dict(C=0.5, class_weight="balanced")]:
            m = LogisticRegression(tol=1e-12, max_iter=100000, **options).fit(x, y)
            cases.append(dict(name=name, options=options, x=x.tolist(), y=y.tolist(), classes=m.classes_.tolist(), coef=m.coef_.tolist(),
                              intercept=m.intercept_.tolist(), probabilities=m.predict_proba(x[:7]).tolist()))
    v = TfidfVectorizer(analyzer="char", ngram_range=(1, 2))
    x = v.fit_transform(TEXTS)
    m = LogisticRegression(tol=1e-12, max_iter=100000, C=16.0).fit(x, LABELS)
    cases.append(dict(name="texts", options=dict(C=16.0), classes=m.classes_.tolist(), coef=m.coef_.tolist(), intercept=m.intercept_.tolist(),
                      probabilities=m.predict_proba(x).tolist(), y=LABELS))
    return dict(texts=TEXTS, cases=cases)


ROWS = [
    ("王明在北京工作", "B-P I-P O B-L I-L O O"), ("李红在上海", "B-P I-P O B-L I-L"), ("我在家", "O O O"), ("王红去北京了", "B-P I-P O B-L I-L O"),
    ("上海很大", "B-L I-L O O"), ("明天去", "O O O"), ("李明和王红在上海", "B-P I-P O B-P I-P O B-L I-L"), ("北京", "B-L I-L"),
]


def looks(tokens, window=2):
    """The features that src/linear/features.rs makes of single characters."""
    at = lambda i: "\x02" if i < 0 else "\x03" if i >= len(tokens) else tokens[i]
    shape = lambda i: at(i) if at(i) in "\x02\x03" else "字"
    rows = []
    for i in range(len(tokens)):
        f = ["1"] + [f"{d}={at(i + d)}" for d in range(-window, window + 1)]
        f += [f"{d}+={at(i + d)}\t{at(i + d + 1)}" for d in range(-window, window)]
        f += [f"-1+1={at(i - 1)}\t{at(i + 1)}"] + [f"{d}s={shape(i + d)}" for d in (-1, 0, 1)]
        rows.append(f)
    return rows


def tagger():
    x = [[{name: 1.0 for name in f} for f in looks(text)] for text, _ in ROWS]
    y = [tags.split() for _, tags in ROWS]
    cases = []
    for c2 in (0.1, 1.0):
        m = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.0, c2=c2, max_iterations=5000, epsilon=1e-9, delta=1e-14)
        m.fit(x, y)
        states = {f"{name}\n{label}": w for (name, label), w in m.state_features_.items()}
        moves = {f"{a} {b}": w for (a, b), w in m.transition_features_.items()}
        other = ["李王在家", "红明去上海", "北"]
        found = m.predict([[{name: 1.0 for name in f} for f in looks(text)] for text in other])
        cases.append(dict(c2=c2, states=states, transitions=moves, texts=other, tags=[list(map(str, t)) for t in found]))
    return dict(rows=[dict(tokens=t, tags=g.split()) for t, g in ROWS], cases=cases)


def main():
    for name, made in dict(vectors=vectors(), logistic=logistic(), tagger=tagger()).items():
        (HERE / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
