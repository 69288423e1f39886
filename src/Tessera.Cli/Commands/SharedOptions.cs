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
        Description = "Where to compute: cpu.",
        DefaultValueFactory = _ => "cpu",
    };

    public static Option<int> Threads() => new("--threads")
    {
        Description = "Worker threads; 0 for one a processor.",
        DefaultValueFactory = _ => 0,
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

    public static DType ParseDataType(string text) => text == "bf16" ? DType.BF16 : DType.F32;
}
