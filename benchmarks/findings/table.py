"""From observations to findings: paired differences, their intervals over parents, and a verdict.

KL spans orders of magnitude over limits, so pairs are compared by the logarithm of their ratio. The limits of one parent share its
library and scores and are no independent trials: the differences of a parent are averaged first, and the interval is Student's t over
the parents (size, seed). Where two searches choose the same blocks the difference is 0.
"""

import math
import os
from collections import defaultdict

import jobs as planning

BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"

# Two-sided 95 % quantiles of Student's t by degrees of freedom; beyond the list the normal's.
T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
       2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]

# Additivity holds where the sum of scores is within this factor of the realised KL.
ADDITIVE = math.log(1.25)
LEAST_KL = 1e-9


def interval(pairs):
    """Mean and 95 % interval over parents of differences given as (parent, difference); None for the interval of fewer than two parents."""
    groups = defaultdict(list)
    for parent, difference in pairs:
        groups[parent].append(difference)
    means = [sum(values) / len(values) for values in groups.values()]
    mean = sum(means) / len(means)
    if len(means) < 2:
        return mean, None
    error = math.sqrt(sum((value - mean) ** 2 for value in means) / (len(means) - 1) / len(means))
    freedom = len(means) - 1
    width = error * (T95[freedom - 1] if freedom <= len(T95) else 1.96)
    return mean, (mean - width, mean + width)


def verdict(ends):
    """Whether a difference that should be below 0 is."""
    if ends is None:
        return "undecided"
    return "confirmed" if ends[1] < 0 else "refuted" if ends[0] > 0 else "undecided"


class Observations:
    """Lines by parent, experiment, limit and model."""

    def __init__(self, lines):
        self.lines = {(self.parent(line), line["experiment"], line["limit"], line["model"]): line for line in lines}
        self.parents = sorted({self.parent(line) for line in lines})

    @staticmethod
    def parent(line):
        return line["size"], line["seed"]

    def find(self, parent, experiment, limit, model):
        return self.lines.get((parent, experiment, limit, model))

    def ratios(self, better, worse, limits):
        """ln KL(better) − ln KL(worse) of all parents and limits that have both; each is (experiment, model)."""
        pairs = []
        for parent in self.parents:
            for limit in limits:
                one, other = self.find(parent, better[0], limit, better[1]), self.find(parent, worse[0], limit, worse[1])
                if one and other:
                    same = one.get("blocks") is not None and one.get("blocks") == other.get("blocks") and better[0] == worse[0]
                    pairs.append((parent, 0.0 if same else log_ratio(one["kl"], other["kl"])))
        return pairs


def log_ratio(one, other):
    return math.log(max(one, LEAST_KL) / max(other, LEAST_KL))


def rows(lines):
    """(finding, pairs, mean, interval, verdict, how to read the mean) of every finding that there are observations for."""
    seen = Observations(lines)
    found = []

    def compare(text, better, worse, limits):
        pairs = seen.ratios(better, worse, limits)
        if pairs:
            mean, ends = interval(pairs)
            found.append((text, len(pairs), mean, ends, verdict(ends), "ratio"))

    every = planning.LIMITS
    exact = ("main", "child")
    compare("exact search below greedy", exact, ("main", "greedy"), every)
    compare("greedy below uniform", ("main", "greedy"), ("main", "uniform"), every)
    compare("heterogeneous (exact) below homogeneous (uniform)", exact, ("main", "uniform"), every)
    compare("exact search below parameter-max", exact, ("main", "parameter-max"), every)
    compare("scores by KL below scores by LM loss", exact, ("lm-loss", "child"), every)
    compare("BLD below training-free variants, all limits", exact, ("untrained", "child"), every)
    compare(f"BLD below training-free variants at {planning.STRONG}", exact, ("untrained", "child"), [planning.STRONG])
    compare("hybrid below decoupled BLD", ("hybrid", "child"), exact, every)
    compare("coupled below decoupled BLD, library of few halves", ("few-coupled", "child"), ("few-decoupled", "child"), every)
    for mix in ["none", *planning.MIXES]:
        if mix != "cos+KL":
            compare(f"healing with cos+KL below {'no healing' if mix == 'none' else mix}", ("healed", "cos+KL"), ("healed", mix), [planning.MIDDLE])
    worst_mix(seen, found)
    pairs = []
    for parent in seen.parents:
        own, other = seen.find(parent, "judge-main", planning.MIDDLE, "child"), seen.find(parent, "judge-other", planning.MIDDLE, "child")
        if own and other:
            pairs.append((parent, log_ratio(own["kl"], other["kl"])))
    add(found, "library and scores on data of the parent's kind below other text", pairs)
    fused = [line for line in lines if line["experiment"] == "fusion"]
    add(found, "fusion: time of a step, after / before", [(seen.parent(line), -math.log(line["decode_speed_up"])) for line in fused])
    if fused:
        mean, ends = interval([(seen.parent(line), log_ratio(line["kl"], line["kl_before"])) for line in fused])
        found.append(("fusion: KL, after / before (no healing)", len(fused), mean, ends, "reported", "ratio"))
    additivity(seen, found)
    compare("re-scoring twice below scoring once", ("rescored", "child"), exact, every)
    return found


def add(found, text, pairs):
    if pairs:
        mean, ends = interval(pairs)
        found.append((text, len(pairs), mean, ends, verdict(ends), "ratio"))


def worst_mix(seen, found):
    """LM loss alone against the worst of all others, no healing among them."""
    pairs = []
    for parent in seen.parents:
        lm = seen.find(parent, "healed", planning.MIDDLE, "LM")
        others = [line for mix in ["none", *planning.MIXES] if mix != "LM" and (line := seen.find(parent, "healed", planning.MIDDLE, mix))]
        if lm and len(others) == len(planning.MIXES):
            pairs.append((parent, log_ratio(max(line["kl"] for line in others), lm["kl"])))
    add(found, "the worst other mix below LM alone", pairs)


def additivity(seen, found):
    """Whether the realised KL is within a quarter of the sum of scores: the interval must lie inside, or outside."""
    for limit in planning.LIMITS:
        pairs = [(parent, log_ratio(line["scoring_kl"], line["predicted"])) for parent in seen.parents if (line := seen.find(parent, "main", limit, "child"))]
        if pairs:
            mean, ends = interval(pairs)
            verdict_of = "undecided" if ends is None else "confirmed" if max(map(abs, ends)) <= ADDITIVE else "refuted" if ends[0] > ADDITIVE or ends[1] < -ADDITIVE else "undecided"
            found.append((f"additivity at {limit}: realised / predicted KL within 1.25", len(pairs), mean, ends, verdict_of, "ratio"))


def accuracy_rows(lines):
    """Mean accuracy of the written children by healing mix, in percent, over parents at the middle limit."""
    sums = defaultdict(list)
    for line in lines:
        if line["experiment"] == "healed" and line["limit"] == planning.MIDDLE and line.get("problems"):
            sums[line["model"]].append((line["kl"], line["correct"] / line["problems"]))
    return [(mix, len(sums[mix]), sum(kl for kl, _ in sums[mix]) / len(sums[mix]), 100 * sum(share for _, share in sums[mix]) / len(sums[mix]))
            for mix in ["none", *planning.MIXES] if sums[mix]]


def markdown(lines):
    """The table of findings, and the one of healing mixes."""
    parents = len(Observations(lines).parents)
    text = [
        f"{len(lines)} models of {parents} parents.", "",
        "| finding | pairs | ratio | 95 % interval | verdict |", "| --- | --- | --- | --- | --- |",
    ]
    for name, count, mean, ends, result, _ in rows(lines):
        text.append(f"| {name} | {count} | {math.exp(mean):.3f} | {'–' if ends is None else f'{math.exp(ends[0]):.3f} to {math.exp(ends[1]):.3f}'} | {result} |")
    mixes = accuracy_rows(lines)
    if mixes:
        text += ["", f"Written children at {planning.MIDDLE} by losses of the healing, means over parents:", "", "| losses | children | KL, nats a token | accuracy |", "| --- | --- | --- | --- |"]
        text += [f"| {mix} | {count} | {kl:.4f} | {share:.1f} % |" for mix, count, kl, share in mixes]
    return "\n".join(text) + "\n"


def replace_between_marks(path, text):
    with open(path) as file:
        page = file.read()
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    with open(path + ".new", "w") as file:
        file.write(page[:begin] + "\n\n" + text + "\n" + page[end:])
    os.replace(path + ".new", path)
