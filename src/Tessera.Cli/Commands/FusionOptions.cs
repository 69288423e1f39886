using System.CommandLine;
using Tessera.Puzzle.Fusion;

namespace Tessera.Cli.Commands;

/// <summary>Which feed-forwards are fused: options of <c>fuse</c>, and under other names of <c>compress</c>.</summary>
/// <param name="prefix">In front of the names, dashes included.</param>
internal sealed class FusionOptions(string prefix)
{
    public Option<string?> Runs { get; } = new(prefix + "runs")
    {
        Description = "Layers to fuse, chosen by hand and counted from 0, such as 3-6,8-11; the first of a run may have attention. By default runs are found.",
    };

    public Option<double?> Threshold { get; } = new(prefix + "threshold")
    {
        Description = "Largest dependency (1 - cos, 0 to 2) between any two layers of a run; runs are cut where it is larger.",
    };

    public Option<int?> MaxWidth { get; } = new(prefix + "max-width") { Description = "Largest width of a fused feed-forward; runs are cut to it." };

    public Option<bool> Last { get; } = new(prefix + "last")
    {
        Description = "Fuse the last feed-forward of a run too; it is the most sensitive and left alone by default.",
    };

    public Option<bool> Blocks { get; } = new(prefix + "blocks")
    {
        Description = "Fuse whole neighbouring blocks: their attentions become one wider attention, and so do their feed-forwards behind it.",
    };

    public Option<int> Window { get; } = new(prefix + "window") { Description = "With whole blocks, layers of a window that is found.", DefaultValueFactory = _ => 4 };

    public Option<int> Windows { get; } = new(prefix + "windows") { Description = "With whole blocks, most windows that are fused, those of the least dependency first.", DefaultValueFactory = _ => 1 };

    /// <summary>The options for runs that are found.</summary>
    public IEnumerable<Option> Limits => [Threshold, MaxWidth, Last, Window, Windows];

    /// <summary>The settings, from runs chosen by hand or from limits.</summary>
    /// <exception cref="ArgumentException">Options contradict each other, or a value cannot be.</exception>
    public FusionRunSettings ToSettings(ParseResult result, bool wholeBlocks)
    {
        if ((wholeBlocks ? [Last] : (Option[])[Window, Windows]).FirstOrDefault(option => IsGiven(result, option)) is { } other)
        {
            throw new ArgumentException($"{other.Name} is for {(wholeBlocks ? "feed-forwards" : "whole blocks")}: leave it out");
        }

        if (Limits.FirstOrDefault(option => IsGiven(result, option)) is { } limit && IsGiven(result, Runs))
        {
            throw new ArgumentException($"{limit.Name} cuts runs that are found: leave it out or leave {Runs.Name} out");
        }

        double? threshold = IsGiven(result, Threshold) ? result.GetValue(Threshold) : null;
        int? width = IsGiven(result, MaxWidth) ? result.GetValue(MaxWidth) : null;
        if (threshold is { } t && !(t is >= 0 and <= 2))
        {
            throw new ArgumentException(FormattableString.Invariant($"{Threshold.Name} {t}: expected a number from 0 to 2"));
        }

        if (width < 1)
        {
            throw new ArgumentException($"{MaxWidth.Name} {width}: expected at least 1");
        }

        return new FusionRunSettings
        {
            Runs = IsGiven(result, Runs) ? FusionRun.ParseList(result.GetValue(Runs)!) : null,
            Threshold = threshold,
            MaxWidth = width,
            FusesLast = result.GetValue(Last),
            Blocks = wholeBlocks
                ? new BlockWindowSettings { Length = OptionChecks.AtLeast(result, Window, 2), Windows = OptionChecks.AtLeast(result, Windows, 1) }
                : null,
        };
    }

    /// <summary>Refuses limits where nothing is fused.</summary>
    public void EnsureUnused(ParseResult result, bool fuses, Option fuse)
    {
        if (!fuses && Limits.FirstOrDefault(option => IsGiven(result, option)) is { } limit)
        {
            throw new ArgumentException($"{limit.Name} needs {fuse.Name}");
        }
    }

    // An option that this verb does not have, as compress has no --fuse-runs, is not given.
    private static bool IsGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };
}
