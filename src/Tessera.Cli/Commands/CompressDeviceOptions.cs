using System.CommandLine;
using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Targets;

namespace Tessera.Cli.Commands;

/// <summary>Options of <c>compress</c> that choose how much of the work is done and in which type, for large models and short runs.</summary>
internal sealed class CompressDeviceOptions
{
    public CompressDeviceOptions()
    {
        Precision.AcceptOnlyFromAmong("f32", "bf16");
        Baselines.AcceptOnlyFromAmong("all", "none");
        Until.AcceptOnlyFromAmong("scores", "end");
    }

    public Option<string> Precision { get; } = new("--precision")
    {
        Description = "Weights of library, scores and comparison: f32, or bf16 as they are served, which halves their memory; on a card activations are bf16 as well, sums f32, and products many times as fast.",
        DefaultValueFactory = _ => "f32",
    };

    public Option<string?> Variants { get; } = new("--variants")
    {
        Description = "Which halves are tried, such as \"attention:parent,kv4,none ffn:parent,75%,50%,none\"; by default the whole grid.",
    };

    public Option<string?> DistillLayers { get; } = new("--distill-layers")
    {
        Description = "Layers whose variants are trained, such as 0,10,21,31; those of others stay as they are made from the parent. The time for all layers is projected.",
    };

    public Option<string?> Ids { get; } = new("--ids")
    {
        Description = "Calibrate and heal on lists of token ids, one JSON list a line, or on \"drawn\" ids; needs no tokenizer.",
    };

    public Option<string[]> Load { get; } = new("--load")
    {
        Description = "A further load NAME=BATCHxINPUT+OUTPUT in which parent and child are predicted and measured, such as long=8x2048+2048. May be repeated.",
    };

    public Option<int> LoadRounds { get; } = new("--load-rounds")
    {
        Description = "Passes of parent and child through each further load.",
        DefaultValueFactory = _ => 3,
    };

    public Option<int> DecodeSteps { get; } = new("--decode-steps")
    {
        Description = "Most generated tokens of an output that are timed for the costs of halves, those in its middle; 0 for all. Whole models are timed over all.",
        DefaultValueFactory = _ => 0,
    };

    public Option<string> Baselines { get; } = new("--baselines")
    {
        Description = "all assembles and measures greedy, uniform and parameter-maximal choices beside the child; none saves that time.",
        DefaultValueFactory = _ => "all",
    };

    public Option<string> Until { get; } = new("--until")
    {
        Description = "scores ends the run when library and scores are complete; the same command without it goes on from there.",
        DefaultValueFactory = _ => "end",
    };

    public IEnumerable<Option> All => [Precision, Variants, DistillLayers, Ids, Load, LoadRounds, DecodeSteps, Baselines, Until];

    /// <summary>Storage of weights in library, scores and comparison; on a card that of activations, too.</summary>
    public DType Type(ParseResult result) => SharedOptions.ParseDataType(result.GetValue(Precision)!);

    /// <summary>The settings with these choices.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="settings">The others.</param>
    /// <param name="model">The parent's shape.</param>
    /// <param name="toScenario">The scenario of a load.</param>
    public CompressionSettings Apply(
        ParseResult result, CompressionSettings settings, ModelConfiguration model, Func<NamedLoad, ServingScenario> toScenario)
    {
        if (Type(result) == DType.BF16 && settings.Fusion is not null)
        {
            throw new ArgumentException($"{Precision.Name} bf16: --fuse adds matrices up in f32; leave one of them out");
        }

        int steps = OptionChecks.AtLeast(result, DecodeSteps, 0);
        return settings with
        {
            Variants = result.GetValue(Variants) is { } variants ? TriedVariants.Parse(variants, Variants.Name, model) : TriedVariants.All,
            BlockDistillation = settings.BlockDistillation with { Layers = ToLayers(result, model) },
            Loads = [.. NamedLoad.ParseAll(result.GetValue(Load) ?? [], Load.Name).Select(load => new MeasuredLoad(NameOf(load), toScenario(load)))],
            LoadRounds = OptionChecks.AtLeast(result, LoadRounds, 1),
            DecodeSteps = steps == 0 ? null : steps,
            HasBaselines = result.GetValue(Baselines) == "all",
        };
    }

    private LayerSet? ToLayers(ParseResult result, ModelConfiguration model)
    {
        if (result.GetValue(DistillLayers) is not { } text)
        {
            return null;
        }

        return LayerSet.TryParse(text) is { } layers && layers.Last < model.Layers.Length
            ? layers
            : throw new ArgumentException(
                $"{DistillLayers.Name} {text}: expected layers from 0 to {model.Layers.Length - 1}, such as 0,2-5");
    }

    /// <summary>Loads of one name differ in their batch, which is then part of the name.</summary>
    private string NameOf(NamedLoad load) => load.Name is { } name
        ? FormattableString.Invariant($"{name}/{load.Batch}")
        : throw new ArgumentException($"{Load.Name}: every load needs a name, such as long=8x2048+2048");
}
