"""Puts rows of `tessera bench --json` and of the peers' scripts into one file of JSON lines, and compares them.

collect.py add FILE PIECE CONTENDER ROUND   rows from standard input (a JSON array or JSON lines) are appended to FILE
collect.py table FILE                       medians, and ratios of ours to each peer of the same round with their spread
"""

import json
import re
import statistics
import sys

OURS = "tessera"


def parse(text):
    """Rows of a JSON array, or of lines that are JSON objects; other lines are left out."""
    text = text.strip()
    if text.startswith("["):
        return json.loads(text)
    rows = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                # The last line of a program that was stopped.
                continue
    return rows


def add(path, piece, contender, number):
    rows = parse(sys.stdin.read())
    with open(path, "a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({"piece": piece, "contender": contender, "round": int(number), **row}) + "\n")
    print(f"{piece} {contender} round {number}: {len(rows)} rows", file=sys.stderr)
    return 0 if rows else 1


def subject(row):
    """What a row measures, in words that ours and the peers' have in common."""
    shape = row["shape"]
    if row["piece"] == "train":
        return "train", shape.split(" ")[0]
    if row["piece"] == "decode":
        match = re.search(r"batch \d+, \d+ in / \d+ out", shape)
        # The engine's rows and the bare loop's are both held against the peers' generation.
        return ("decode" if row["name"] in ("decode", "engine") else row["name"]), match.group(0) if match else shape
    return row["name"], shape


def label(row):
    mode = row.get("peer", "").rsplit(", ", 1)[-1]
    if row["contender"] == OURS:
        return f"{OURS} {row['name']} {row['dtype']}" if row["piece"] == "decode" else f"{OURS} {row['dtype']}"
    return f"{row['contender']} {mode}" if mode and mode not in row["contender"] else row["contender"]


def table(path):
    with open(path, encoding="utf-8") as file:
        rows = parse(file.read())
    subjects = {}
    for row in rows:
        subjects.setdefault(subject(row), {}).setdefault(label(row), {})[row["round"]] = row
    if not subjects:
        print("no rows")
        return 1
    devices = sorted({row["device"] for row in rows})
    print(f"{', '.join(devices)}; medians of rounds; ours / theirs: median and range of the ratios of one round")
    for (name, shape), contenders in sorted(subjects.items()):
        peers = [who for who in contenders if not who.startswith(OURS)]
        if name not in ("train", "decode") and not peers:
            continue
        print(f"\n{name} {shape}")
        for who, rounds in sorted(contenders.items()):
            some = next(iter(rounds.values()))
            value = statistics.median(row["value"] for row in rounds.values())
            share = [row["ratio"] for row in rounds.values() if row.get("ratio") is not None]
            parts = [f"  {who:<40} {value:>12,.1f} {some['unit']}"]
            if share:
                parts.append(f"{statistics.median(share):.3f} of ceiling")
            details = some.get("details") or {}
            if "tokens_per_second" in details:
                speed = statistics.median(row["details"]["tokens_per_second"] for row in rounds.values())
                parts.append(f"{speed:,.0f} tokens/s")
            if "mfu_full" in details:
                parts.append(f"MFU {details['mfu_full']:.1%} full, {details['mfu_causal']:.1%} causal")
            if details.get("memory_used"):
                parts.append(f"{details['memory_used'] / 2**30:.1f} GiB")
            if "host_seconds" in details:
                parts.append(f"host {details['host_seconds'] * 1e6:.0f} us a step")
            print(", ".join(parts))
            if not who.startswith(OURS):
                continue
            for other in sorted(peers):
                ratios = [rounds[r]["value"] / contenders[other][r]["value"] for r in rounds if r in contenders[other]]
                if ratios:
                    print(
                        f"    / {other:<36} {statistics.median(ratios):>12.3f}"
                        f" [{min(ratios):.3f}, {max(ratios):.3f}] of {len(ratios)} rounds")
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] == "add":
        sys.exit(add(*sys.argv[2:]))
    if len(sys.argv) == 3 and sys.argv[1] == "table":
        sys.exit(table(sys.argv[2]))
    print(__doc__, file=sys.stderr)
    sys.exit(2)
