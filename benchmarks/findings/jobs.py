"""The jobs behind the table of findings: parents of our own, and compressions of them that differ in one thing each.

A job is one command of tessera that ends with a file; a job whose file is there is not run again. Compressions of one parent that share
library and scores start from copies of those finished stages: compress finds them by their hashes and does not repeat them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

# Layers and width; four heads, every one with its own keys and values, feed-forwards of twice the width.
HEADS = 4
SIZES = {"small": (4, 64), "medium": (5, 96), "large": (5, 128)}
LIMITS = ["1.5x", "2x", "3x"]
MIDDLE, STRONG = LIMITS[1], LIMITS[-1]

# Cross-entropy (LM), KL and cosine of global distillation, as the paper's ablation mixes them.
MIXES = {
    "LM": (1, 0, 0), "LM+KL": (1, 1, 0), "KL": (0, 1, 0), "LM+cos": (1, 0, 1), "cos": (0, 0, 1), "LM+cos+KL": (1, 1, 1), "cos+KL": (0, 1, 1),
}

SPECIAL = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<think>", "</think>"]
TASKS = ["--tasks", "add,compare,sort", "--levels", "1"]
SCENARIO = ["--batch", "8", "--input-length", "32", "--output-length", "64"]
DATA = ["--calibration-tokens", "8192", "--scoring-tokens", "4096", "--batch-tokens", "2048", "--max-length", "128"]
# So few halves that every pair of them can be trained as one block.
FEW = ["--variants", "attention:parent,kv1,none ffn:parent,50%,25%,none"]
SHARED_STAGES = ("measure-", "library-", "scores-")


@dataclass
class Job:
    """One command; `needs` are names of jobs that must be done before, `start` the compression whose stages it shares."""

    name: str
    arguments: list
    needs: list = field(default_factory=list)
    start: str | None = None
    weight: float = 1.0  # Expected share of time, so that long jobs start first.


@dataclass
class Settings:
    """What decides the jobs besides the program."""

    out: str
    sizes: list
    seeds: list
    steps: int = 600
    heal_steps: int = 60
    block_steps: int = 24
    problems: int = 100
    text: list = field(default_factory=list)
    options: frozenset = frozenset()  # Of compress, as --help lists them.


def shape(size, vocabulary=320):
    """The config.json of a size."""
    layers, width = SIZES[size]
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "vocab_size": vocabulary, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
        "bos_token_id": 267, "eos_token_id": 268, "tie_word_embeddings": True,
    }


def write_shapes(settings):
    """The shapes as files; the same bytes every time."""
    os.makedirs(settings.out, exist_ok=True)
    for size in settings.sizes:
        path = os.path.join(settings.out, f"{size}.json")
        if not os.path.exists(path):
            with open(path + ".new", "w") as file:
                json.dump(shape(size), file, indent=2)
            os.replace(path + ".new", path)


def plan(settings):
    """All jobs, each behind those that it needs."""
    at = lambda *parts: os.path.join(settings.out, *parts)
    jobs = [Job("tokenizer", ["tokenizer", "train", "--problems", "3000", "--vocab-size", "320", "--split-digits", "--special", *SPECIAL, "--out", at("tokenizer")])]
    for size in settings.sizes:
        layers, width = SIZES[size]
        work = layers * width * width / (4 * 64 * 64)
        jobs.append(Job(f"{size}/shape", ["init", at(f"{size}.json"), "--tokenizer", at("tokenizer"), "--seed", "1", "--out", at(size, "shape")], ["tokenizer"]))
        # Saved once, and calculated from ceilings that are measured once: limits mean the same in every run, however busy the machine is.
        jobs.append(Job(f"{size}/costs", ["measure", at(size, "shape"), "--predict", "this", *SCENARIO, "--threads", "1", "--out", at(size, "costs.json")], [f"{size}/shape"]))
        for seed in settings.seeds:
            jobs += parent_jobs(settings, size, seed, work)
    return jobs


def parent_jobs(settings, size, seed, work):
    """One parent and all its compressions."""
    base = f"{size}-{seed}"
    at = lambda *parts: os.path.join(settings.out, size, str(seed), *parts)
    jobs = [
        Job(f"{base}/init", ["init", os.path.join(settings.out, f"{size}.json"), "--tokenizer", os.path.join(settings.out, "tokenizer"), "--seed", str(seed), "--out", at("init")], [f"{size}/costs"]),
        Job(f"{base}/parent", [
            "train", at("init"), *TASKS, "--steps", str(settings.steps), "--batch-tokens", "2048", "--max-length", "128", "--lr", "2e-3", "--validate-every", "0",
            "--seed", str(seed), "--threads", "1", "--out", at("parent")], [f"{base}/init"], weight=20 * work),
    ]

    def compress(name, limit, *more, data=None, heal=0, start="main-" + LIMITS[0], needs=None, weight=2.0):
        jobs.append(Job(
            f"{base}/{name}",
            ["compress", at("parent"), *(data or TASKS), *DATA, *SCENARIO, "--target", f"throughput>={limit}", "--costs", os.path.join(settings.out, size, "costs.json"),
             "--margin", "0", "--rounds", "1", "--problems", str(settings.problems if data is None else 0), "--heal-steps", str(heal), "--seed", str(seed), "--threads", "1",
             *(more if "--block-steps" in more else [*more, "--block-steps", str(settings.block_steps)]), "--json", "--out", at("runs", name)],
            needs or [f"{base}/parent" if start is None else f"{base}/{start}"], None if start is None else at("runs", start), weight * work))

    for index, limit in enumerate(LIMITS):
        # The first makes library and scores, which the others take over.
        compress(f"main-{limit}", limit, start=None if index == 0 else "main-" + LIMITS[0], weight=8 if index == 0 else 1)
        compress(f"untrained-{limit}", limit, "--block-steps", "0", start=None if index == 0 else "untrained-" + LIMITS[0], weight=4 if index == 0 else 1)
        if "--score" in settings.options:
            compress(f"lm-loss-{limit}", limit, "--score", "lm-loss")
        if "--rescore" in settings.options:
            compress(f"rescored-{limit}", limit, "--rescore", "2", weight=8)
        if "--distill" in settings.options:
            compress(f"hybrid-{limit}", limit, "--distill", "hybrid", weight=4)
            for kind in ("decoupled", "coupled"):
                first = f"few-{kind}-{LIMITS[0]}"
                compress(f"few-{kind}-{limit}", limit, *FEW, "--distill", kind, start=None if index == 0 else first, weight=4 if index == 0 else 1)
    for mix, (cross_entropy, divergence, cosine) in MIXES.items():
        compress(f"heal-{mix}", MIDDLE, "--heal-ce", str(cross_entropy), "--heal-kl", str(divergence), "--heal-cosine", str(cosine), heal=settings.heal_steps, weight=3)
    # All attention but one must go, nothing in its place, and every feed-forward stay one, so that there are neighbours to fuse.
    compress("fused", MIDDLE, "--target", "attention-layers<=1", "--exclude", "attention:linear", "--exclude", "ffn:none", "--exclude", "ffn:linear", "--fuse", "--fuse-last")
    if settings.text:
        compress(f"other-{MIDDLE}", MIDDLE, data=["--text", *settings.text], start=None, weight=8)
        for kind in ("main", "other"):
            # A rate so small that nothing changes: what counts is the validation on documents of the parents' own kind.
            jobs.append(Job(
                f"{base}/judge-{kind}",
                ["distill", at("runs", f"{kind}-{MIDDLE}", "child"), "--teacher", at("parent"), *TASKS, "--steps", "1", "--lr", "1e-12", "--warmup", "0", "--batch-tokens", "2048",
                 "--max-length", "128", "--validation-tokens", "16384", "--seed", str(seed), "--threads", "1", "--json", "--out", at("judge", kind)],
                [f"{base}/{kind}-{MIDDLE}"], weight=work))
    return jobs
