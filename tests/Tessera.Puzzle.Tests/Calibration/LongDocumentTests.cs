using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Calibration;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Runs.Jobs;
using Tessera.Tensors;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests.Calibration;

/// <summary>Documents as long as a model is served with.</summary>
public sealed unsafe class LongDocumentTests : IDisposable
{
    private const int Length = 4096;
    private const int Vocabulary = 40;
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-long-").FullName;
    private readonly CountingDevice _device = new(2);
    private readonly Decoder _model;
    private readonly CalibrationSteps _steps;
    private readonly JobFolder _jobs;
    private readonly ParentStates _states;

    public LongDocumentTests()
    {
        _model = Decoder.Allocate(Shape, DType.F32);
        ModelInitializer.Fill(_model, 5);
        foreach (var parameter in _model.Parameters.Where(p => p.Decays))
        {
            parameter.Edit(0, parameter.Rows, (_, values) =>
            {
                for (long i = 0; i < (long)values.Rows * values.Columns; i++)
                {
                    values.Floats[i] *= 6;
                }
            });
        }

        // One document that fills a batch, and three that fill another.
        _steps = new CalibrationSteps(_device, [Batch(1, Length), Batch(2, 1500, 2000, 596)]);
        _jobs = JobFolder.Open(Path.Combine(_folder, "jobs"));
        _states = new ParentStates(_device, new ResidentParts(_model), _steps, _jobs, forDistillation: true);
        _states.ComputeAll();
    }

    private static ModelConfiguration Shape => new()
    {
        VocabularySize = Vocabulary,
        HiddenSize = 32,
        HeadCount = 4,
        HeadDim = 8,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 10000,
        MaxPositions = Length,
        TieEmbeddings = true,
        StorageType = DType.F32,
        BosTokenId = 1,
        EosTokenIds = [2],
        Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2), new SwiGluConfiguration(48)), 2)],
    };

    [Fact]
    public void States_reach_over_4096_tokens()
    {
        using var arena = new Arena("test");
        for (int batch = 0; batch < 2; batch++)
        {
            var capture = new HiddenCapture();
            _model.Forward(new Executor(_device, arena, null), _steps.Steps[batch], null, capture);
            Assert.Equal(Values(capture[2]), Values(_states.Read(arena, 2, batch)));
        }

        // What the last token becomes depends on the first one.
        var changed = Batch(1, Length);
        changed.Ids[0] = (changed.Ids[0] + 1) % Vocabulary;
        using var other = new CalibrationSteps(_device, [changed]);
        var altered = new HiddenCapture();
        _model.Forward(new Executor(_device, arena, null), other.Steps[0], null, altered);
        Assert.NotEqual(Values(_states.Read(arena, 2, 0))[^32..], Values(altered[2])[^32..]);
    }

    [Fact]
    public void A_block_is_distilled_within_its_plan()
    {
        using var arena = new Arena("test");
        var initializer = new VariantInitializer(_device, new BlockFactory(Shape, _model.Rope, arena, DType.F32));
        var mixer = initializer.Mixer(_model.Layers[0].Mixer!, new AttentionConfiguration(1), "mixer")!;
        var distillation = new BlockDistillation(_device, _states, 0, _model.Layers[0], new BlockDistillationSettings(4, 3e-3));
        var result = distillation.TrainMixer(mixer);
        Assert.True(result.After < result.Before, $"{result.Before} to {result.After}");
        Assert.True(result.Used.Bytes <= result.Planned.Bytes, $"{result.Used.Bytes} used, {result.Planned.Bytes} planned");

        // What grows with the square of the length would alone be this large.
        Assert.True(result.Planned.Bytes < (long)Length * Length * sizeof(float), $"{result.Planned.Bytes} bytes");
    }

    [Fact]
    public void Scores_have_the_same_bits_in_any_window_within_what_the_cap_says()
    {
        BlockScore[] Score(StreamingMemory memory)
        {
            using var scorer = new ReplaceOneScorer(_device, _states, memory);
            return scorer.Score(0, [_ => new DecoderLayer(null, _model.Layers[0].FeedForward), _ => new DecoderLayer(_model.Layers[0].Mixer, null)]);
        }

        long before = _device.PeakBytes;
        var least = Score(StreamingMemory.Least);
        Assert.Equal(4, least[0].Divergence.Documents);
        Assert.Equal(least, Score(new StreamingMemory(1 << 30, 1 << 30)));

        // Tokens, their states and what was computed before are beside it.
        long need = StreamingMemory.Need(Shape, _steps.LargestBatch, DType.F32);
        Assert.True(_device.PeakBytes <= Math.Max(before, _steps.Bytes + (2 * need)), $"{_device.PeakBytes} bytes, {need} needed");
    }

    public void Dispose()
    {
        _states.Dispose();
        _jobs.Dispose();
        _steps.Dispose();
        _model.Dispose();
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static PackedBatch Batch(int seed, params int[] lengths)
    {
        var random = new CounterRandom((ulong)seed, 9);
        return BatchPacker.Pack(
            [.. lengths.Select(length => TokenDocument.Uniform([.. Enumerable.Range(0, length).Select(_ => random.Next(Vocabulary))]))], Length, Length);
    }

    private static float[] Values(Tensor tensor) => new ReadOnlySpan<float>(tensor.Data.Floats, (int)tensor.Count).ToArray();
}
