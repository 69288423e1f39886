#!/usr/bin/env python3
"""Puzzle's findings on models of our own: runs many small compressions, gathers what they found, and prints one line a finding.

    findings.py run --tessera ./tessera --out runs/findings --workers 16 --minutes 8
    findings.py gather --out runs/findings --results benchmarks/findings/results.jsonl
    findings.py table --results benchmarks/findings/results.jsonl --markdown docs/findings.md

Python's standard library is enough. `run` may be stopped or run out of its minutes; the same command goes on.
"""

import argparse
import concurrent.futures
import glob
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time

import jobs as planning
import table as statistics_table


def done_path(out, job):
    return os.path.join(out, "done", job.name.replace("/", "_") + ".json")


def share_stages(job, folder):
    """Copies finished stages of another compression; weights are linked, since no run changes a file that is there."""
    for stage in sorted(os.listdir(job.start)):
        target = os.path.join(folder, stage)
        if not stage.startswith(planning.SHARED_STAGES) or os.path.exists(target):
            continue
        temporary = target + ".new"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(os.path.join(job.start, stage), temporary, copy_function=lambda source, place: (
            os.link if source.endswith(".safetensors") else shutil.copy2)(source, place))
        os.replace(temporary, target)


class Runner:
    """Runs jobs whose needs are done, the heaviest first, in so many processes of one thread each."""

    def __init__(self, program, settings, workers, deadline):
        self.program, self.settings, self.workers, self.deadline = program, settings, workers, deadline
        self.lock, self.children, self.failed = threading.Lock(), set(), []

    def is_done(self, job):
        return os.path.exists(done_path(self.settings.out, job))

    def run_job(self, job):
        folder = job.arguments[job.arguments.index("--out") + 1]
        if job.start is not None:
            os.makedirs(folder, exist_ok=True)
            share_stages(job, folder)
        started = time.monotonic()
        log = os.path.join(self.settings.out, "logs", job.name.replace("/", "_") + ".log")
        with open(log, "ab") as errors:
            with self.lock:
                if time.monotonic() >= self.deadline:
                    return
                child = subprocess.Popen([*self.program, *job.arguments], stdout=subprocess.PIPE, stderr=errors)
                self.children.add(child)
            output = child.communicate()[0].decode()
        with self.lock:
            self.children.discard(child)
        if child.returncode != 0:
            if time.monotonic() < self.deadline:
                self.failed.append((job, log))
            return
        try:
            found = json.loads(output)
        except ValueError:
            found = None  # The verb prints text: that it ended well is all that is asked for.
        path = done_path(self.settings.out, job)
        with open(path + ".new", "w") as file:
            json.dump({"job": job.name, "seconds": round(time.monotonic() - started, 2), "found": found}, file)
        os.replace(path + ".new", path)

    def run(self, all_jobs):
        for name in ("done", "logs"):
            os.makedirs(os.path.join(self.settings.out, name), exist_ok=True)
        finished = {job.name for job in all_jobs if self.is_done(job)}
        waiting = [job for job in all_jobs if job.name not in finished]
        running, total = {}, len(all_jobs)
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            while waiting or running:
                ready = sorted((job for job in waiting if all(need in finished for need in job.needs)), key=lambda job: -self.weight_behind(job, all_jobs))
                if time.monotonic() >= self.deadline:
                    self.stop()
                    ready, waiting = [], []
                for job in ready[: self.workers - len(running)]:
                    waiting.remove(job)
                    running[pool.submit(self.run_job, job)] = job
                if not running:
                    break
                complete, _ = concurrent.futures.wait(running, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in complete:
                    future.result()
                    job = running.pop(future)
                    if self.is_done(job):
                        finished.add(job.name)
                        print(f"{len(finished)}/{total} {job.name}", file=sys.stderr, flush=True)
        for job, log in self.failed:
            print(f"failed: {job.name}, see {log}", file=sys.stderr)
        print(f"{sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]):.0f} s of processor time", file=sys.stderr)
        print(f"{len(finished)} of {total} jobs are done" + ("" if len(finished) == total else "; the same command goes on"))
        return 1 if self.failed else 0 if len(finished) == total else 3

    def weight_behind(self, job, all_jobs):
        """A job's own weight and the heaviest of those that wait for it."""
        return job.weight + max((other.weight for other in all_jobs if job.name in other.needs), default=0)

    def stop(self):
        with self.lock:
            for child in self.children:
                child.terminate()


def options_of(program, verb):
    """The options that a verb lists: experiments that a program does not offer are left out by name."""
    text = subprocess.run([*program, verb, "--help"], capture_output=True, text=True, check=True).stdout
    return frozenset(word.rstrip(",") for word in text.split() if word.startswith("--"))


def settings_of(arguments, options):
    return planning.Settings(
        out=arguments.out, sizes=arguments.sizes.split(","), seeds=[int(seed) for seed in arguments.seeds.split(",")], steps=arguments.steps,
        heal_steps=arguments.heal_steps, block_steps=arguments.block_steps, problems=arguments.problems, text=arguments.text or [], options=options)


def run(arguments):
    program = arguments.tessera.split(" ")
    settings = settings_of(arguments, options_of(program, "compress"))
    for option, what in (("--score", "scores by LM loss"), ("--rescore", "re-scoring"), ("--distill", "coupled and hybrid distillation")):
        if option not in settings.options:
            print(f"left out: {what}, this program's compress has no {option}", file=sys.stderr)
    if not settings.text:
        print("left out: data of another kind, there is no --text", file=sys.stderr)
    all_jobs = planning.plan(settings)
    if arguments.dry_run:
        for job in all_jobs:
            print(" ".join([*program, *job.arguments]))
        return 0
    planning.write_shapes(settings)
    return Runner(program, settings, arguments.workers, time.monotonic() + 60 * arguments.minutes).run(all_jobs)


def model_of(candidate):
    """What the results keep of an assembled model."""
    return {
        "model": candidate["name"], "kl": candidate["held_out_divergence"]["mean"], "kl_error": candidate["held_out_divergence"]["standard_error"],
        "scoring_kl": candidate["scoring_divergence"]["mean"], "predicted": candidate["predicted_divergence"], "correct": candidate["correct"],
        "problems": candidate["problems"], "blocks": hashlib.sha256(";".join(candidate["layers"]).encode()).hexdigest()[:8],
    }


def observations(record):
    """The lines of a finished job; none where it is no compression and judges none."""
    parent, _, name = record["job"].partition("/")
    size, _, seed = parent.rpartition("-")
    found = record["found"]
    if not size or not isinstance(found, dict):
        return
    of = {"size": size, "seed": int(seed), "limit": planning.MIDDLE}
    if name.startswith("judge-"):
        yield {**of, "experiment": name, "model": "child", "kl": found["divergence"]}
    if "candidates" not in found:
        return
    # main-2x, lm-loss-2x, heal-LM+KL; fused has no variable.
    experiment, _, variable = name.rpartition("-")
    written = {
        "kl": found["healed_divergence"]["mean"], "kl_error": found["healed_divergence"]["standard_error"], "correct": found["healed_correct"],
        "problems": found["candidates"][1]["problems"],
    }
    if experiment == "heal":
        yield {**of, "experiment": "healed", "model": variable, **written}
    elif found.get("fusion"):
        before, after = found["fusion"]["before"], found["fusion"]["after"]
        yield {
            **of, "experiment": "fusion", "model": "fused", "kl": after["divergence"]["mean"], "kl_before": before["divergence"]["mean"],
            "decode_speed_up": found["fusion"]["decode_speed_up"], "layers": len(after["layers"]), "layers_before": len(before["layers"]),
        }
    elif variable in planning.LIMITS:
        for candidate in found["candidates"][1:]:
            if candidate["name"] == "child" or experiment == "main":
                yield {**of, "limit": variable, "experiment": experiment, **model_of(candidate)}
        if experiment == "main":
            # Without healing steps the written child is the assembled one, rounded to the storage that it is served in.
            yield {**of, "limit": variable, "experiment": "healed", "model": "none", **written}


def gather(arguments):
    lines = []
    for path in sorted(glob.glob(os.path.join(arguments.out, "done", "*.json"))):
        with open(path) as file:
            record = json.load(file)
        lines += [json.dumps(line, sort_keys=True) for line in observations(record)]
    os.makedirs(os.path.dirname(os.path.abspath(arguments.results)), exist_ok=True)
    with open(arguments.results + ".new", "w") as file:
        file.write("".join(line + "\n" for line in lines))
    os.replace(arguments.results + ".new", arguments.results)
    print(f"{arguments.results}: {len(lines)} observations, {os.path.getsize(arguments.results)} bytes")
    return 0


def table(arguments):
    with open(arguments.results) as file:
        lines = [json.loads(line) for line in file if line.strip()]
    text = statistics_table.markdown(lines)
    if arguments.markdown:
        statistics_table.replace_between_marks(arguments.markdown, text)
    print(text, end="")
    return 0


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run", help="trains parents and compresses them")
    runs.add_argument("--tessera", required=True, help="the program, with arguments of its own where it needs some")
    runs.add_argument("--out", required=True, help="folder of all that is made")
    runs.add_argument("--sizes", default=",".join(planning.SIZES), help="of " + ", ".join(planning.SIZES))
    runs.add_argument("--seeds", default="1,2,3")
    runs.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1), help="processes at a time, of one thread each")
    runs.add_argument("--minutes", type=float, default=600, help="stop after so many; the same command goes on")
    runs.add_argument("--steps", type=int, default=600, help="of a parent's training")
    runs.add_argument("--block-steps", type=int, default=24, help="of each blockwise distillation")
    runs.add_argument("--heal-steps", type=int, default=60, help="of each global distillation")
    runs.add_argument("--problems", type=int, default=100, help="unseen problems for accuracy")
    runs.add_argument("--text", nargs="*", help="text of another kind than the parents were trained on")
    runs.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    gathers = verbs.add_parser("gather", help="writes what finished jobs found, one JSON object a line")
    gathers.add_argument("--out", required=True)
    gathers.add_argument("--results", required=True)
    tables = verbs.add_parser("table", help="prints one line a finding")
    tables.add_argument("--results", required=True)
    tables.add_argument("--markdown", help="also replace what stands between the marks of this page")
    arguments = parser.parse_args(words)
    for size in arguments.sizes.split(",") if arguments.verb == "run" else []:
        if size not in planning.SIZES:
            parser.error(f"--sizes {size}: expected {', '.join(planning.SIZES)}")
    return arguments


def main(words):
    arguments = parse(words)
    return {"run": run, "gather": gather, "table": table}[arguments.verb](arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
