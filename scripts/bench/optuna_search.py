"""The test functions of search.rhai with Optuna's multivariate TPE: the median over seeds of the best of 50 trials.

    pip install optuna scikit-learn scipy; python scripts/bench/optuna_search.py 20
    python scripts/bench/optuna_search.py 20 best out/search.json       # compared with the output of `search.rhai out=`, with a rank test (Mann and Whitney 1947)
    python scripts/bench/optuna_search.py 5 importance                  # its fANOVA over 100 random trials
    python scripts/bench/optuna_search.py 20 goals out/goals.json        # hypervolume of two goals
"""

import json
import math
import statistics
import sys
import warnings

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")

WEIGHTS = [1.0, 1.2, 3.0, 3.2]
A3 = [[3, 10, 30], [0.1, 10, 35]] * 2
P3 = [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
A6 = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P6 = [[0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
      [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]]


def hartmann(x, a, p):
    inner = lambda i: sum(a[i][j] * (v - p[i][j]) ** 2 for j, v in enumerate(x))
    return -sum(WEIGHTS[i] * math.exp(-inner(i)) for i in range(4))


def goldstein(x):
    a, b = x
    one = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b)
    return one * (30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b))


def ackley(x):
    waves = sum(math.cos(2 * math.pi * v) for v in x) / len(x)
    return 20 + math.e - 20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / len(x))) - math.exp(waves)


FUNCTIONS = {
    "ackley": ([(-5, 10)] * 3, ackley),
    "branin": ([(-5, 10), (0, 15)], lambda x: (x[1] - 5.1 / (4 * math.pi ** 2) * x[0] ** 2 + 5 / math.pi * x[0] - 6) ** 2
               + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10),
    "camel": ([(-2, 2)] * 2, lambda x: (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1]
              + (-4 + 4 * x[1] ** 2) * x[1] ** 2),
    "goldstein": ([(-2, 2)] * 2, goldstein),
    "hartmann3": ([(0, 1)] * 3, lambda x: hartmann(x, A3, P3)),
    "hartmann6": ([(0, 1)] * 6, lambda x: hartmann(x, A6, P6)),
    "ratios": (None, lambda x: (math.log(x[0]) + 6) ** 2 + (math.log(x[1]) - 3) ** 2 + x[2]),
    "rosenbrock": ([(-2, 2)] * 2, lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2),
    "sphere": ([(-5, 10)] * 5, lambda x: sum(v * v for v in x)),
    "styblinski": ([(-5, 5)] * 3, lambda x: sum(v ** 4 - 16 * v ** 2 + 5 * v for v in x) / 2),
}


def study_of(ranges, function, sampler, trials=50):
    def objective(trial):
        if ranges is None:
            return function([trial.suggest_float("x0", 1e-5, 1, log=True), trial.suggest_int("x1", 1, 128, log=True),
                             trial.suggest_categorical("x2", [0.0, 1.0, 2.0])])
        return function([trial.suggest_float(f"x{i}", *ends) for i, ends in enumerate(ranges)])
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def best(ranges, function, sampler):
    return study_of(ranges, function, sampler).best_value


def volume(sampler, shape):
    def objective(trial):
        x = [trial.suggest_float(f"x{i}", 0, 1) for i in range(5)]
        g = 1 + 9 * sum(x[1:]) / 4
        return x[0], g * shape(x[0], g)
    study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
    study.optimize(objective, n_trials=50)
    front = sorted(tuple(trial.values) for trial in study.best_trials)
    return sum((right[0] - left[0]) * (11 - left[1]) for left, right in zip(front, front[1:] + [(1.1, 0)]))


def beside(name, theirs):
    """The result of levain's TPE, how often one of its seeds is below one of Optuna's, and the p-value of the difference."""
    if name not in levain:
        return ""
    from scipy.stats import mannwhitneyu
    ours = levain[name]["tpe"]
    test = mannwhitneyu(ours, theirs)
    below = 1 - test.statistic / (len(ours) * len(theirs))
    return f"  levain {statistics.median(ours):10.4f}  below {100 * below:4.0f} %  p {test.pvalue:.3f}"


seeds = range(int(sys.argv[1]))
what = sys.argv[2] if len(sys.argv) > 2 else "best"
levain = json.load(open(sys.argv[3])) if len(sys.argv) > 3 else {}
if what == "goals":
    shapes = {"zdt1": lambda f, g: 1 - math.sqrt(f / g), "zdt2": lambda f, g: 1 - (f / g) ** 2,
              "zdt3": lambda f, g: 1 - math.sqrt(f / g) - f / g * math.sin(10 * math.pi * f)}
    for name, shape in shapes.items():
        samplers = {"tpe": lambda s: optuna.samplers.TPESampler(seed=s, multivariate=True), "random": lambda s: optuna.samplers.RandomSampler(seed=s)}
        volumes = {kind: [volume(make(s), shape) for s in seeds] for kind, make in samplers.items()}
        medians = "  ".join(f"{kind} {statistics.median(each):.4f}" for kind, each in volumes.items())
        print(f"{name:12} {medians}{beside(name, volumes['tpe'])}", flush=True)
    sys.exit()
for name, (ranges, function) in FUNCTIONS.items():
    if what == "importance":
        evaluator = lambda s: optuna.importance.FanovaImportanceEvaluator(seed=s)
        each = [optuna.importance.get_param_importances(study_of(ranges, function, optuna.samplers.RandomSampler(seed=s), 100), evaluator=evaluator(s), normalize=False)
                for s in seeds]
        print(f"{name:12}", "  ".join(f"{statistics.mean(shares[key] for shares in each):.3f}" for key in sorted(each[0])))
        continue
    tpe = [best(ranges, function, optuna.samplers.TPESampler(seed=s, multivariate=True)) for s in seeds]
    random = statistics.median(best(ranges, function, optuna.samplers.RandomSampler(seed=s)) for s in seeds)
    print(f"{name:12} tpe {statistics.median(tpe):10.4f}  random {random:10.4f}{beside(name, tpe)}", flush=True)
