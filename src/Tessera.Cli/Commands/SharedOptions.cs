using System.CommandLine;
using Tessera.Devices;
using Tessera.Tasks;
using Tessera.Tensors;

namespace Tessera.Cli.Commands;

/// <summary>Options that mean the same in every verb.</summary>
internal static class SharedOptions
{
    public static Option<string> Device() => new("--device")
    {
        Description = "Where to compute: cpu, or cuda or cuda:N for an NVIDIA card.",
        DefaultValueFactory = _ => "cpu",
    };

    /// <summary>How a training verb computes: what is f32 and what bf16.</summary>
    public static Option<string> Precision()
    {
        var option = new Option<string>("--precision")
        {
            Description = "How training computes: f32; mixed, on a card: products in bf16 beside f32 weights; bf16, on a card: weights, gradients and moments in bf16 with stochastic rounding, 8 bytes a weight.",
            DefaultValueFactory = _ => "f32",
        };
        option.AcceptOnlyFromAmong("f32", "mixed", "bf16");
        return option;
    }

    /// <summary>The device that a training verb computes on; the caller owns it.</summary>
    /// <exception cref="ArgumentException">The processor is asked for what a card alone does.</exception>
    public static Tessera.Devices.Device OpenTraining(string name, int threads, string precision) =>
        precision == "f32" || name != "cpu"
            ? Tessera.Devices.Device.Open(name, threads, precision == "f32" ? DType.F32 : DType.BF16)
            : throw new ArgumentException($"--precision {precision}: the processor computes in f32; give --device cuda");

    /// <summary>How weights are stored while they are trained.</summary>
    public static DType MasterType(string precision) => precision == "bf16" ? DType.BF16 : DType.F32;

    /// <summary>The device that a verb runs a model on whose weights are stored in a type; the caller owns it.</summary>
    /// <exception cref="ArgumentException">The weights are asked for in fp8, and the device does not convert it.</exception>
    public static Tessera.Devices.Device OpenServing(string name, int threads, DType storage)
    {
        if (storage == DType.FP8 && name == "cpu")
        {
            throw new ArgumentException("--dtype fp8: weights in fp8 need an NVIDIA card of compute capability 8.9 or newer; give --device cuda");
        }

        var device = Tessera.Devices.Device.Open(name, threads, storage == DType.F32 ? DType.F32 : DType.BF16);
        if (storage == DType.FP8 && device is CudaDevice { Card: { HasFp8: false } card })
        {
            device.Dispose();
            throw new ArgumentException(
                $"--dtype fp8: weights in fp8 need a card of compute capability 8.9 or newer, and {card.Name} has {card.Major}.{card.Minor}");
        }

        return device;
    }

    public static Option<int> Threads() => new("--threads")
    {
        Description = "Worker threads; 0 for one a processor.",
        DefaultValueFactory = _ => 0,
    };

    /// <summary>Whether a card is asked for every kernel of every step.</summary>
    public static Option<bool> Eager() => new("--eager")
    {
        Description = "On a card, ask for every kernel of every step instead of launching recorded steps as a whole: slower, the same bits, and an error names its kernel.",
    };

    /// <summary>Data of several sources.</summary>
    /// <param name="purpose">What is done with it.</param>
    public static Option<string?> Blend(string purpose) => new("--data")
    {
        Description = $"Blend file (.yaml) or folder of token shards to {purpose}.",
    };

    public static Option<ulong> Seed() => new("--seed")
    {
        Description = "Seed of everything random.",
        DefaultValueFactory = _ => 1UL,
    };

    public static Option<bool> Json() => new("--json") { Description = "Print one JSON document instead of text." };

    public static Option<string> DataType(string fallback, string description)
    {
        var option = new Option<string>("--dtype") { Description = description, DefaultValueFactory = _ => fallback };
        option.AcceptOnlyFromAmong("f32", "bf16");
        return option;
    }

    /// <summary>Storage of a model's weights in memory, where it is only run.</summary>
    public static Option<string> StorageType()
    {
        var option = new Option<string>("--dtype")
        {
            Description = "Storage in memory: f32, bf16, int8, int4 or fp8. int8 and int4 are matrices in groups of 32 with a scale each; with int4, token table and head are int8. fp8, on cards of compute capability 8.9 and newer, is E4M3 with a scale a row, the token table bf16. Norms and biases stay f32. Keys and values are f32 with f32, else bf16.",
            DefaultValueFactory = _ => "f32",
        };
        option.AcceptOnlyFromAmong("f32", "bf16", "int8", "int4", "fp8");
        return option;
    }

    /// <summary>Storage of keys and values beside weights of a type.</summary>
    public static DType CacheType(DType weights) => weights == DType.F32 ? DType.F32 : DType.BF16;

    /// <summary>The modes of reasoning that <c>on</c>, <c>off</c> or <c>both</c> ask for.</summary>
    public static ThinkingMode[] ParseThinking(string text) => text switch
    {
        "on" => [ThinkingMode.On],
        "off" => [ThinkingMode.Off],
        _ => [ThinkingMode.On, ThinkingMode.Off],
    };

    public static Option<string> Recompute()
    {
        var option = new Option<string>("--recompute")
        {
            Description = "What the backward computes again instead of keeping it: none, selective (norms and SwiGLU) or full (whole layers). Less memory, same bits, more time.",
            DefaultValueFactory = _ => "none",
        };
        option.AcceptOnlyFromAmong("none", "selective", "full");
        return option;
    }

    public static RecomputeLevel ParseRecompute(string text) => Enum.Parse<RecomputeLevel>(text, ignoreCase: true);

    public static Option<string?> MemoryLimit() => new("--memory-limit")
    {
        Description = "Most memory that training may take, such as 8GiB; by default what the machine has left.",
    };

    public static DType ParseDataType(string text) => text switch
    {
        "bf16" => DType.BF16,
        "int8" => DType.Int8,
        "int4" => DType.Int4,
        "fp8" => DType.FP8,
        _ => DType.F32,
    };
}
