"""Generation of a Llama shape by transformers' generate: a static cache with its compiled step, or the dynamic cache."""

import argparse
import statistics
import time

import torch

import peer


def make_clock():
    """A criterion that never stops and notes when each token was there; generate waits for the card at every token anyway."""
    from transformers import StoppingCriteria

    class Clock(StoppingCriteria):
        def __init__(self):
            self.times = []

        def __call__(self, input_ids, scores, **kwargs):
            peer.synchronize()
            self.times.append(time.perf_counter())
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    return Clock()


def generate(model, ids, new_tokens, mode):
    """Seconds until the first token, and of each further one."""
    from transformers import StoppingCriteriaList

    clock = make_clock()
    peer.synchronize()
    start = time.perf_counter()
    with torch.no_grad():
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, use_cache=True,
            stopping_criteria=StoppingCriteriaList([clock]), **({"cache_implementation": "static"} if mode == "static" else {}))
    if output.shape[1] - ids.shape[1] != new_tokens or len(clock.times) != new_tokens:
        raise RuntimeError(f"{output.shape[1] - ids.shape[1]} tokens in {len(clock.times)} steps, asked for were {new_tokens}")
    steps = [after - before for before, after in zip(clock.times, clock.times[1:])]
    return clock.times[0] - start, steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="llama-3.1-8b", choices=peer.SHAPES)
    parser.add_argument("--modes", default="static,dynamic")
    parser.add_argument("--batch", default="1,64")
    parser.add_argument("--input-length", type=int, default=128)
    parser.add_argument("--output-length", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    torch.manual_seed(1)
    peer.log(f"{arguments.shape}: making the model")
    model = peer.make_model(arguments.shape)
    model.eval()
    ceilings = peer.Ceilings()
    for mode in arguments.modes.split(","):
        for batch in (int(part) for part in arguments.batch.split(",")):
            try:
                measure(model, ceilings, arguments, mode, batch)
            except Exception as error:  # one contender less, the others go on
                peer.log(f"{mode}, batch {batch}: {type(error).__name__}: {error}")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def measure(model, ceilings, arguments, mode, batch):
    new_tokens = arguments.output_length + 1
    ids = torch.randint(1, peer.vocabulary(arguments.shape), (batch, arguments.input_length), device=peer.device())
    peer.log(f"{mode}, batch {batch}: warming up")
    for _ in range(2):
        generate(model, ids, new_tokens, mode)
    peer.log("warm")
    step_bytes = peer.decode_bytes(arguments.shape, batch, arguments.input_length + arguments.output_length / 2)
    rates, limits, seconds, prompts = [], [], [], []
    before = ceilings.copy()
    for _ in range(arguments.rounds):
        first, steps = generate(model, ids, new_tokens, mode)
        after = ceilings.copy()
        seconds.append(statistics.median(steps))
        prompts.append(first)
        rates.append(batch * len(steps) / sum(steps))
        limits.append(batch * (before + after) / 2 / step_bytes)
        before = after
    shape = f"{arguments.shape}, batch {batch}, {arguments.input_length} in / {arguments.output_length} out"
    peer.row(peer.versions(mode), "decode", shape, "bf16", "tokens/s", rates, limits, {
        "step_seconds": statistics.median(seconds), "prompt_seconds": statistics.median(prompts), "step_bytes": step_bytes,
        "memory_used": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    })


if __name__ == "__main__":
    main()
