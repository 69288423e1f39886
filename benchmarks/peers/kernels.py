"""Single operations by PyTorch beside the rows of `tessera bench kernels --device cuda`: products, attention, norms, SwiGLU."""

import argparse
import time

import torch
import torch.nn.functional as F

import peer

SAMPLE_SECONDS = 0.005
PAIRS = 9


def seconds_of(run, repeats):
    with peer.Stopwatch() as watch:
        for _ in range(repeats):
            run()
    return watch.seconds / repeats


def measure(mode, name, shape, work, run, ceiling, unit):
    """Pairs of kernel and ceiling, as KernelBench takes them; work in FLOP or bytes a call."""
    for _ in range(3):
        run()
    repeats = max(1, int(SAMPLE_SECONDS / max(seconds_of(run, 3), 1e-7)))
    seconds_of(run, repeats)
    rates, limits = [], []
    for _ in range(PAIRS):
        before = ceiling()
        rates.append(work / seconds_of(run, repeats) / 1e9)
        limits.append((before + ceiling()) / 2 / 1e9)
    peer.row(f"torch {torch.__version__}, {mode}", name, shape, "bf16", unit, rates, limits)


def rand(*sizes, grad=False):
    return (torch.rand(*sizes, device=peer.device(), dtype=torch.bfloat16) * 2 - 1).requires_grad_(grad)


def products(ceilings, small):
    shapes = [(8192, 8192, 8192), (16384, 3072, 2048), (16384, 16384, 2048), (8192, 28672, 4096)] if not small else [(64, 64, 64)]
    for m, n, k in shapes:
        a, b, c = rand(m, k), rand(n, k), rand(m, n)
        measure("eager", "gemm", f"{m}x{n}x{k}", 2.0 * m * n * k, lambda: torch.matmul(a, b.t(), out=c), ceilings.product, "GFLOP/s")


def attention(ceilings, small):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    shapes = [(4, 4096, 32, 8, 128), (16, 1024, 32, 8, 128), (4, 4096, 32, 8, 64)] if not small else [(2, 40, 8, 4, 32)]
    backends = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION} if not small else {"math": SDPBackend.MATH}
    for documents, length, heads, kv_heads, width in shapes:
        sizes = f"{documents}x{length} H{heads} K{kv_heads} E{width}"
        flops = documents * length * (length + 1) / 2 * heads * 4.0 * width
        for mode, backend in backends.items():
            q = rand(documents, heads, length, width, grad=True)
            k, v = (rand(documents, kv_heads, length, width, grad=True) for _ in range(2))
            grad = rand(documents, heads, length, width)
            try:
                with sdpa_kernel(backend):
                    forward = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                    with torch.no_grad():
                        measure(mode, "attention", f"forward {sizes}", flops, forward, ceilings.product, "GFLOP/s")
                    output = forward()
                    backward = lambda: torch.autograd.grad(output, (q, k, v), grad, retain_graph=True)
                    measure(mode, "attention", f"backward {sizes}", 2.5 * flops, backward, ceilings.product, "GFLOP/s")
            except RuntimeError as error:
                peer.log(f"{mode} {sizes}: {error}")


def rows(ceilings, small):
    tokens, width = (16384, 4096) if not small else (64, 128)
    element = 2.0 * tokens * width
    gain = torch.ones(width, device=peer.device(), dtype=torch.bfloat16, requires_grad=True)
    norm = lambda x, gain: F.rms_norm(x, (width,), gain, 1e-5)
    swiglu = lambda gate, up: F.silu(gate) * up
    modes = {"eager": lambda f: f, "compiled": torch.compile} if not small else {"eager": lambda f: f}
    for mode, wrap in modes.items():
        x, grad = rand(tokens, width, grad=True), rand(tokens, width)
        run = wrap(norm)
        with torch.no_grad():
            measure(mode, "row", f"rmsnorm {tokens}x{width}", 2 * element, lambda: run(x, gain), ceilings.copy, "GB/s")
        output = run(x, gain)
        backward = lambda: torch.autograd.grad(output, (x, gain), grad, retain_graph=True)
        measure(mode, "row", f"rmsnorm-backward {tokens}x{width}", 3 * element, backward, ceilings.copy, "GB/s")
        gate, up = rand(tokens // 2, width, grad=True), rand(tokens // 2, width, grad=True)
        activation = wrap(swiglu)
        with torch.no_grad():
            measure(
                mode, "row", f"swiglu {tokens // 2}x{width}", 3 * element / 2, lambda: activation(gate, up), ceilings.copy, "GB/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="products,attention,rows")
    parser.add_argument("--small", action="store_true", help="tiny sizes, for trying the script out")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    ceilings = peer.Ceilings()
    for part in arguments.parts.split(","):
        peer.log(part)
        start = time.perf_counter()
        {"products": products, "attention": attention, "rows": rows}[part](ceilings, arguments.small)
        peer.log(f"{part}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
