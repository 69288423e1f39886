"""What the peers' scripts share: published shapes, ceilings as `tessera bench` takes them, rows in its JSON fields."""

import json
import statistics
import sys
import time

import torch

# Dense bf16 products as NVIDIA publishes them, TFLOP/s; the first that fits, as in PublishedPeaks.cs.
PUBLISHED = [("H100 PCIe", 756), ("H100 NVL", 835), ("H100", 989), ("H200", 989), ("A100", 312)]

# Layers, width, heads, KV heads, head width, feed-forward, tied embeddings, factor of the rotary scaling (config.json of each model).
SHAPES = {
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, True, 32.0),
    "llama-3.2-3b": (28, 3072, 24, 8, 128, 8192, True, 32.0),
    "llama-3.1-8b": (32, 4096, 32, 8, 128, 14336, False, 8.0),
    # For trying the scripts out.
    "tiny": (2, 128, 4, 2, 32, 256, True, 8.0),
}
VOCABULARY = 128_256


def log(text):
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def device():
    """The first card, or the processor for trying a script out."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def describe_device():
    return f"cuda:0 {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else "cpu"


def synchronize():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def published_flops():
    """The card's published peak in FLOP/s, or None."""
    name = describe_device()
    return next((peak * 1e12 for part, peak in PUBLISHED if part in name), None)


def vocabulary(shape):
    return 1024 if shape == "tiny" else VOCABULARY


def make_model(shape, dtype=torch.bfloat16):
    """A transformers Llama of a published shape with random weights, made where it runs."""
    from transformers import LlamaConfig, LlamaForCausalLM

    layers, hidden, heads, kv_heads, head_dim, intermediate, tied, factor = SHAPES[shape]
    rope = dict(
        rope_type="llama3", factor=factor, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
    sizes = dict(
        vocab_size=vocabulary(shape), hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim, max_position_embeddings=131_072,
        rms_norm_eps=1e-5, tie_word_embeddings=tied, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    try:
        config = LlamaConfig(**sizes, rope_parameters=dict(rope, rope_theta=500_000.0))
    except TypeError:
        # Before version 5.
        config = LlamaConfig(**sizes, rope_theta=500_000.0, rope_scaling=rope)
    config._attn_implementation = "sdpa"
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device():
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def flops_per_token(shape, length):
    """Training FLOP a token in the full and in the causal convention (Chowdhery et al. 2022, appendix B)."""
    layers, hidden, heads, kv_heads, head_dim, intermediate, _, _ = SHAPES[shape]
    block = hidden * head_dim * (2 * heads + 2 * kv_heads) + 3 * hidden * intermediate
    products = 6.0 * (layers * block + hidden * vocabulary(shape))
    attention = 12.0 * layers * heads * head_dim * length
    return products + attention, products + attention / 2


def decode_bytes(shape, batch, context, element_bytes=2):
    """Bytes that a decoding step must read: every matrix once, and keys and values of the mean context."""
    layers, hidden, heads, kv_heads, head_dim, intermediate, _, _ = SHAPES[shape]
    block = hidden * head_dim * (2 * heads + 2 * kv_heads) + 3 * hidden * intermediate
    weights = layers * block + hidden * vocabulary(shape)
    return element_bytes * (weights + batch * context * layers * 2 * kv_heads * head_dim)


class Stopwatch:
    """Seconds of the card between two points, by events in its stream; on the processor by the clock."""

    def __enter__(self):
        if torch.cuda.is_available():
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            self._events[0].record()
        else:
            self._start = time.perf_counter()
        return self

    def __exit__(self, *_):
        if torch.cuda.is_available():
            self._events[1].record()
            self._events[1].synchronize()
            self.seconds = self._events[0].elapsed_time(self._events[1]) / 1e3
        else:
            self.seconds = time.perf_counter() - self._start


class Ceilings:
    """A large square product and a copy, as often as `tessera bench` asks for them between two runs."""

    def __init__(self):
        on_card = torch.cuda.is_available()
        self.edge = 8192 if on_card else 256
        self.copy_bytes = (512 if on_card else 16) << 20
        self._operands = None
        self._buffers = None

    def product(self, count=3):
        """FLOP/s of bf16 products on random numbers."""
        if self._operands is None:
            make = lambda: torch.rand(self.edge, self.edge, device=device(), dtype=torch.bfloat16) * 2 - 1
            self._operands = (make(), make(), make())
            torch.matmul(self._operands[0], self._operands[1].t(), out=self._operands[2])
        with Stopwatch() as watch:
            for _ in range(count):
                torch.matmul(self._operands[0], self._operands[1].t(), out=self._operands[2])
        return 2.0 * self.edge**3 * count / watch.seconds

    def copy(self, count=4):
        """Bytes read and written a second."""
        if self._buffers is None:
            source = torch.rand(self.copy_bytes // 4, device=device())
            self._buffers = (source, torch.empty_like(source))
            self._buffers[1].copy_(source)
        with Stopwatch() as watch:
            for _ in range(count):
                self._buffers[1].copy_(self._buffers[0])
        return 2.0 * self.copy_bytes * count / watch.seconds


def quantile(values, share):
    """As KernelBench.Quantile: interpolated between the two values next to it."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def row(peer, name, shape, dtype, unit, rates, ceilings, details=None):
    """Prints one line of JSON in the fields of `tessera bench`; rates and ceilings in the unit."""
    ratios = [rate / ceiling for rate, ceiling in zip(rates, ceilings)]
    print(json.dumps({
        "name": name, "shape": shape, "dtype": dtype, "threads": 0, "device": describe_device(),
        "value": statistics.median(rates), "unit": unit, "ceiling": statistics.median(ceilings),
        "ratio": statistics.median(ratios), "runs": len(ratios),
        "spread": (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2,
        "details": details, "peer": peer,
    }), flush=True)


def versions(mode):
    """Name of a contender: what it is made of, and how it runs."""
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}, {mode}"
