using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Runs;
using Tessera.Training.Memory;

namespace Tessera.Puzzle.Planning;

/// <summary>Memory, disk and time of every stage of a compression, from shapes alone.</summary>
/// <remarks>
/// <code>
/// measure    (rounds + 2) · Σ time of (parent + 8 copies of a half); all stacks are held at once
/// library    forward of the parent over the calibration; each job two evaluations and its steps; files of the halves that are trained
///            residual streams, tokens · hidden · (2 · layers + 1), lie on the disk until its end and are told beside it
/// scores     Σ over layers and pairs: tokens · (layers from the replaced one on + head of parent and child)
/// task-scores, rescore   as scores, once for answers and once a round, at most
/// realise    up to 5 models: (2 · rounds + 3) passes each, two sets of tokens, problems
/// heal       steps · tokens · (forward of the parent + 3 · forward of the child)
/// pretrain   steps · tokens · (3 · forward of the child, and the parent's with a KL)
/// </code>
/// The child is not known yet: the parent stands for it, which no child exceeds. Memory of the healing is that of the trainer's own
/// plan. Times of passes are a <see cref="Roofline"/>'s, of batches <see cref="WorkRate"/>'s.
/// </remarks>
/// <param name="parent">The parent's shape.</param>
/// <param name="settings">What is to be done.</param>
/// <param name="work">How much data.</param>
/// <param name="hardware">The machine that is planned for.</param>
/// <param name="weights">Storage of the weights of library and scores: f32 or bf16.</param>
public sealed class CompressionPlan(
    ModelConfiguration parent, CompressionSettings settings, CompressionWork work, Hardware hardware, DType weights = DType.F32)
{
    private const int Candidates = 5;
    private const int ProblemTokens = 96;
    private const double Kibibyte = 1024;

    // A line of measurements, a row of a score table with its record, a report with its pictures.
    private const double BytesOfScore = 200;
    private const double BytesOfSwap = 500;
    private const double BytesOfReport = 256 * Kibibyte;

    private readonly WorkRate _rate = new(hardware, weights);
    private readonly CompressionMemory _memory = new(parent, settings, work, hardware, weights);

    /// <summary>The stages in order.</summary>
    /// <param name="hasCosts">Whether costs are given and nothing has to be measured before the search.</param>
    public IReadOnlyList<StageEstimate> Stages(bool hasCosts)
    {
        StageEstimate[] pairs = settings.Library.Mode == DistillationMode.Decoupled ? [] : [Pairs()];
        StageEstimate[] stages = [Measure(), Library(), .. pairs, .. AllScores(), Realise(), Heal(), .. Pretrain()];
        return hasCosts ? stages[1..] : stages;
    }

    private StageEstimate Measure()
    {
        var roofline = new Roofline(parent, settings.Scenario, hardware);
        int steps = Math.Min(settings.Scenario.OutputLength, settings.DecodeSteps ?? int.MaxValue);
        double Pass(ScenarioTime time) => time.PrefillSeconds + (steps * time.DecodeSeconds);
        double whole = Pass(roofline.Time(parent)), seconds = whole + Pass(roofline.Base());
        var (mixers, feedForwards) = Halves();
        int stacks = 0;
        foreach (double half in mixers.Select(m => Pass(roofline.Time(m))).Concat(feedForwards.Select(f => Pass(roofline.Time(f)))).Where(time => time > 0))
        {
            seconds += whole + (CostMeter.Copies * half);
            stacks++;
        }

        int rounds = settings.CostRounds + CostMeter.WarmupRounds;
        return new StageEstimate(
            "measure", 0, rounds * seconds, _memory.Measure(mixers, feedForwards), (stacks + 1) * 2 * BytesOfScore,
            $"{stacks} halves in {rounds} rounds, {settings.Scenario.Label}");
    }

    private StageEstimate Library()
    {
        // Pairs begin with halves as they are made; in hybrid distillation halves are trained before.
        var distillation = Distillation(settings.Library.Mode == DistillationMode.Coupled ? 0 : settings.BlockDistillation.Steps);
        var untrained = distillation with { Steps = 0 };
        int length = work.MaxLength;
        double tokens = work.CalibrationTokens, disk = 0;
        double operations = tokens * WorkRate.Forward(parent, length);
        int jobs = 0;
        foreach (var (index, layer) in parent.Layers.Index())
        {
            var half = settings.BlockDistillation.Trains(index) ? distillation : untrained;
            // The stream between the halves, and the activations that rank channels.
            operations += tokens * WorkRate.Layer(parent, layer, length);
            operations += (settings.Library.PruneRounds - 1) * distillation.ChannelRound(layer.FeedForward);
            foreach (var mixer in settings.Variants.Mixers(layer.Mixer).Skip(1).Where(m => m is not NoMixerConfiguration))
            {
                operations += half.Mixer(layer, mixer);
                disk += half.Steps > 0 ? weights.Bytes() * (double)mixer.ParameterCount(parent) : 0;
                jobs++;
            }

            foreach (var feedForward in settings.Variants.FeedForwards(layer.FeedForward).Skip(1).Where(f => f is not NoFeedForwardConfiguration))
            {
                operations += half.FeedForward(feedForward);
                disk += half.Steps > 0 ? weights.Bytes() * (double)feedForward.ParameterCount(parent) : 0;
                jobs++;
            }
        }

        return new StageEstimate(
            "library", operations, _rate.Seconds(operations), _memory.Library(), disk,
            $"{jobs} halves, {distillation.Steps} steps of {Math.Round(distillation.StepTokens):N0} tokens each; {HumanUnits.FormatBytes((long)_memory.StatesOnDisk())} of residual streams on the disk meanwhile");
    }

    /// <summary>Scores on text, on a task's answers, and in every round around a child at most: a child's layers are no larger than the parent's.</summary>
    private IEnumerable<StageEstimate> AllScores()
    {
        var scores = Scores();
        yield return scores;
        if (settings.Scoring.Kind.TaskName is not null)
        {
            yield return scores with { Name = "task-scores" };
        }

        for (int round = 1; round <= settings.Scoring.Rounds; round++)
        {
            yield return scores with { Name = FormattableString.Invariant($"rescore {round}") };
        }
    }

    /// <summary>Coupled distillation of all pairs, or in hybrid distillation of as many as the solutions can choose at most.</summary>
    private StageEstimate Pairs()
    {
        var distillation = Distillation(settings.BlockDistillation.Steps);
        double operations = work.CalibrationTokens * WorkRate.Forward(parent, work.MaxLength), disk = 0;
        int count = 0;
        var all = LibraryPair.Of(parent, [.. parent.Layers.Select(settings.Variants.Blocks)]);
        bool isHybrid = settings.Library.Mode == DistillationMode.Hybrid;
        int solutions = settings.Library.Solutions + (settings.Library.Sweep?.Steps.Count ?? 0);
        foreach (var layer in all.GroupBy(pair => pair.Layer))
        {
            // Solutions choose at most so many mixers and feed-forwards of a layer each; the dearest stand for those that they will.
            var pairs = isHybrid ? layer.OrderByDescending(distillation.Pair).Take(solutions * solutions) : layer;
            foreach (var pair in pairs)
            {
                operations += distillation.Pair(pair);
                disk += distillation.BytesOf(pair);
                count++;
            }
        }

        return new StageEstimate(
            "pairs", operations, _rate.Seconds(operations), _memory.Library(), disk,
            $"{(isHybrid ? "at most " : string.Empty)}{count} of {all.Count} pairs, {distillation.Steps} steps of {Math.Round(distillation.StepTokens):N0} tokens each{(isHybrid ? ", and scores of these again" : string.Empty)}");
    }

    private DistillationWork Distillation(int steps) =>
        new(parent, work.CalibrationTokens, work.CalibrationBatches, steps, work.MaxLength);

    private StageEstimate Scores()
    {
        double suffix = 0, operations = work.ScoringTokens * WorkRate.Forward(parent, work.MaxLength);
        long swaps = 0;
        for (int layer = parent.Layers.Length - 1; layer >= 0; layer--)
        {
            var blocks = settings.Variants.Blocks(parent.Layers[layer]).Skip(1).ToList();
            double own = blocks.Sum(block => WorkRate.Layer(parent, block.ToLayer(), work.MaxLength));
            operations += work.ScoringTokens * (own + (blocks.Count * (suffix + (2 * WorkRate.Head(parent)))));
            suffix += WorkRate.Layer(parent, parent.Layers[layer], work.MaxLength);
            swaps += blocks.Count;
        }

        return new StageEstimate(
            "scores", operations, _rate.Seconds(operations), _memory.Scores(), swaps * BytesOfSwap,
            $"{swaps:N0} swaps on {work.ScoringTokens:N0} tokens");
    }

    private StageEstimate Realise()
    {
        var time = new Roofline(parent, settings.Scenario, hardware).Time(parent);
        double pass = time.PrefillSeconds + (settings.Scenario.OutputLength * time.DecodeSeconds);
        int passes = Candidates * ((2 * settings.CostRounds) + 3);
        double operations = (2.0 * work.ScoringTokens * ((Candidates + 1) * WorkRate.Forward(parent, work.MaxLength)))
            + (Candidates * (double)work.Problems * ProblemTokens * WorkRate.Forward(parent, ProblemTokens));
        return new StageEstimate(
            "search and realise", operations, (passes * pass) + _rate.Seconds(operations), _memory.Realise(Candidates), BytesOfReport,
            $"up to {Candidates} models, {passes} passes{(work.Problems > 0 ? $", {work.Problems} problems each" : string.Empty)}");
    }

    private StageEstimate Heal()
    {
        int steps = settings.Healing.Schedule.TotalSteps;
        double tokens = (double)steps * settings.Healing.BatchTokens * settings.Healing.Accumulation;
        int length = settings.Healing.MaxLength;
        double operations = (tokens * (1 + WorkRate.Training) * WorkRate.Forward(parent, length))
            + (2.0 * work.ScoringTokens * WorkRate.Forward(parent, work.MaxLength));
        double written = settings.Scenario.Memory.WeightBytes(parent.ParameterCount, 0);
        // A checkpoint holds weights and both moments in f32.
        double disk = written + (steps > 0 ? 3.0 * sizeof(float) * parent.ParameterCount : 0);
        return new StageEstimate(
            "heal and write", operations, _rate.Seconds(operations), _memory.Heal(), disk,
            steps > 0 ? $"{steps} steps of {settings.Healing.BatchTokens:N0} tokens" : "no training");
    }

    private IEnumerable<StageEstimate> Pretrain()
    {
        if (settings.Pretraining is { } pretraining)
        {
            yield return new TrainingEstimate(hardware, DType.F32).Train(
                "pretrain", parent, pretraining.Training, pretraining.Weights, pretraining.Weights.NeedsTeacher ? parent : null);
        }
    }

    private (IReadOnlyList<MixerConfiguration> Mixers, IReadOnlyList<FeedForwardConfiguration> FeedForwards) Halves() => (
        [.. parent.Layers.SelectMany(layer => settings.Variants.Mixers(layer.Mixer)).Distinct()],
        [.. parent.Layers.SelectMany(layer => settings.Variants.FeedForwards(layer.FeedForward)).Distinct()]);
}
