using System.CommandLine;
using Tessera.Devices;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Tables;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>compress</c> that say how its library is made.</summary>
internal sealed class LibraryOptions
{
    public Option<string> Distil { get; } = OneOf(
        "--distill", "decoupled", "What blockwise distillation trains together: each half alone, all pairs (coupled), or first halves and then the pairs that solutions chose (hybrid).",
        "decoupled", "coupled", "hybrid");

    public Option<int> Solutions { get; } = new("--distill-solutions")
    {
        Description = "Hybrid: how many solutions' halves are paired, the best and those that differ from it in a fifth of the layers.",
        DefaultValueFactory = _ => new LibrarySettings().Solutions,
    };

    public Option<string?> Sweep { get; } = new("--distill-sweep") { Description = "Hybrid: pair what is best along a row of limits as well, such as memory=100%..40%/7." };

    public Option<int> PruneRounds { get; } = new("--prune-rounds")
    {
        Description = "Cut FFN channels in so many rounds, measuring contributions again after each; 1 measures once.",
        DefaultValueFactory = _ => 1,
    };

    public Option<string> States { get; } = OneOf(
        "--states", "f32", "How the library's hidden states lie on the disk; bf16 takes half. A card that computes in bf16 has bf16 in any case.", "f32", "bf16");

    public IEnumerable<Option> All => [Distil, Solutions, Sweep, PruneRounds, States];

    /// <summary>How the library is made.</summary>
    public LibrarySettings ToSettings(ParseResult result)
    {
        var mode = Enum.Parse<DistillationMode>(result.GetValue(Distil)!, ignoreCase: true);
        foreach (var option in (Option[])[Solutions, Sweep])
        {
            if (mode != DistillationMode.Hybrid && result.GetResult(option) is { Implicit: false })
            {
                throw new ArgumentException($"{option.Name}: only --distill hybrid selects pairs");
            }
        }

        return new LibrarySettings
        {
            Mode = mode,
            Solutions = OptionChecks.AtLeast(result, Solutions, 1),
            Sweep = result.GetValue(Sweep) is { } range ? SweepRange.Parse(range, Sweep.Name) : null,
            PruneRounds = OptionChecks.AtLeast(result, PruneRounds, 1),
            States = result.GetValue(States) == "bf16" ? DType.BF16 : DType.F32,
        };
    }

    private static Option<string> OneOf(string name, string fallback, string description, params string[] values)
    {
        var option = new Option<string>(name) { Description = description, DefaultValueFactory = _ => fallback };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
