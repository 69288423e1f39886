using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Tables;
using Tessera.Puzzle.Targets;
using Tessera.Training;
using Tessera.Training.Objectives;

namespace Tessera.Puzzle.Compression;

/// <summary>Everything that decides a compression besides model and data.</summary>
public sealed record CompressionSettings
{
    /// <summary>Limits the child must meet.</summary>
    public required IReadOnlyList<Target> Targets { get; init; }

    /// <summary>Which variants the search may choose; all by default.</summary>
    public VariantFilter Filter { get; init; } = VariantFilter.None;

    /// <summary>Which variants the library holds.</summary>
    public TriedVariants Variants { get; init; } = TriedVariants.All;

    /// <summary>The load that is measured.</summary>
    public required ServingScenario Scenario { get; init; }

    /// <summary>Length and rate of each blockwise distillation.</summary>
    public required BlockDistillationSettings BlockDistillation { get; init; }

    /// <summary>What is trained together, how channels are cut, how states are stored.</summary>
    public LibrarySettings Library { get; init; } = new();

    /// <summary>Which score is minimised, and how it is taken.</summary>
    public ScoringSettings Scoring { get; init; } = new();

    /// <summary>Length, rate and batches of the healing; 0 steps for none.</summary>
    public required TrainingSettings Healing { get; init; }

    /// <summary>Losses of the healing.</summary>
    public ObjectiveWeights HealingWeights { get; init; } = ObjectiveWeights.Distillation;

    /// <summary>Samples of every measured time.</summary>
    public int CostRounds { get; init; } = 9;

    /// <summary>As in <see cref="ScenarioMeter.DecodeSteps"/>, for the costs of halves; whole models pass through all of a load.</summary>
    public int? DecodeSteps { get; init; }

    /// <summary>Further loads in which parent and child are measured.</summary>
    public IReadOnlyList<MeasuredLoad> Loads { get; init; } = [];

    /// <summary>Whether greedy, uniform and parameter-maximal choices are assembled and measured as well.</summary>
    public bool HasBaselines { get; init; } = true;

    /// <summary>Passes of whole models through each further load.</summary>
    public int LoadRounds { get; init; } = 3;

    /// <summary>Share by which speed limits are tightened in the search.</summary>
    public double Margin { get; init; } = 0.03;

    /// <summary>Steps between checkpoints and validations of the healing.</summary>
    public int HealingInterval { get; init; } = 50;

    /// <summary>Which feed-forwards of the assembled child are fused before it is healed; null for none.</summary>
    public FusionRunSettings? Fusion { get; init; }

    /// <summary>Most bytes of the device's memory while layers pass by; null for the usual. Changes no bit of a result.</summary>
    public long? Memory { get; init; }

    /// <summary>Phases, early stop and last test of the healing.</summary>
    public HealingCourse HealingCourse { get; init; } = new();

    /// <summary>Continued pre-training of the healed child; null for none.</summary>
    public PretrainingSettings? Pretraining { get; init; }

    /// <summary>The healing with its losses and the storage of what it writes.</summary>
    public HealingSettings HealingPlan => new(Healing, HealingWeights, HealingInterval, Scenario.Type)
    {
        Memory = Memory,
        Course = HealingCourse,
        Pretraining = Pretraining,
    };
}
