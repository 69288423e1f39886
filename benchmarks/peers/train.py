"""Training steps of a Llama shape by PyTorch and transformers: forward, loss, backward, clipping, fused AdamW; bf16 parameters, SDPA."""

import argparse
import statistics

import torch

import peer

PROBES = 15


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="llama-3.2-1b", choices=peer.SHAPES)
    parser.add_argument("--mode", default="eager", choices=["eager", "compiled"])
    parser.add_argument("--batch", default="4x4096", help="documents x tokens")
    parser.add_argument("--steps", type=int, default=9)
    arguments = parser.parse_args()
    documents, length = (int(part) for part in arguments.batch.split("x"))

    torch.manual_seed(1)
    torch.set_float32_matmul_precision("highest")
    peer.log(f"{arguments.shape} {arguments.mode}: making the model")
    model = peer.make_model(arguments.shape)
    model.train()
    model.config.use_cache = False
    step_model = torch.compile(model) if arguments.mode == "compiled" else model
    on_card = torch.cuda.is_available()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=on_card)
    batches = [
        torch.randint(peer.vocabulary(arguments.shape), (documents, length), device=peer.device()) for _ in range(4)]
    parts = {"forward": 0.0, "backward": 0.0, "optimizer": 0.0}

    def step(index, timed=False):
        ids = batches[index % len(batches)]

        def stage(name, work):
            if not timed:
                return work()
            with peer.Stopwatch() as watch:
                result = work()
            parts[name] += watch.seconds
            return result

        optimizer.zero_grad(set_to_none=True)
        loss = stage("forward", lambda: step_model(input_ids=ids, labels=ids, use_cache=False).loss)
        stage("backward", loss.backward)

        def update():
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        stage("optimizer", update)

    for index in range(3):
        step(index)
    peer.synchronize()
    peer.log("warm")
    memory = torch.cuda.max_memory_allocated() if on_card else 0
    ceilings = peer.Ceilings()
    ceiling = lambda: statistics.median(ceilings.product() for _ in range(PROBES))
    full, causal = peer.flops_per_token(arguments.shape, length)
    tokens = documents * length
    rates, measured = [], []
    before = ceiling()
    for index in range(arguments.steps):
        with peer.Stopwatch() as watch:
            step(index)
        after = ceiling()
        rates.append(full * tokens / watch.seconds / 1e9)
        measured.append((before + after) / 2 / 1e9)
        before = after
    step(0, timed=True)

    value = statistics.median(rates) * 1e9
    seconds = full * tokens / value
    details = {
        "tokens_per_second": tokens / seconds, "step_seconds": seconds, "causal_gflops": value * causal / full / 1e9,
        "memory_used": memory,
        **{f"{name}_seconds": time for name, time in parts.items()},
    }
    if (peak := peer.published_flops()) is not None:
        details["mfu_full"] = value / peak
        details["mfu_causal"] = value * causal / full / peak
    peer.row(
        peer.versions(arguments.mode), "train", f"{documents}x{length} {arguments.shape}", "bf16", "GFLOP/s", rates, measured, details)


if __name__ == "__main__":
    main()
