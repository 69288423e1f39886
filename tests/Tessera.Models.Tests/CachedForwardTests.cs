using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Tests;

public sealed class CachedForwardTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly int[] Lengths = [23, 9, 17];
    private readonly CpuDevice _device = new(1);

    [Fact]
    public void A_prompt_fed_at_once_through_an_f32_cache_has_the_bits_of_a_forward_without_cache()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        int[] ids = SmallModel.Ids(Lengths.Sum(), Vocabulary);
        Assert.Equal(SmallModel.Logits(_device, model, ids, Lengths), Chunked(model, ids, int.MaxValue, DType.F32));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Pieces_through_an_f32_cache_agree_with_the_whole_to_1e4_in_log_probability(int piece)
    {
        // Not to the bit: few rows take the streaming product, many the blocked one, and their sums differ in order.
        using var model = SmallModel.Create(SmallModel.Configuration());
        int[] ids = SmallModel.Ids(Lengths.Sum(), Vocabulary);
        double[] expected = SmallModel.LogProbabilities(SmallModel.Logits(_device, model, ids, Lengths), Vocabulary);
        double[] actual = SmallModel.LogProbabilities(Chunked(model, ids, piece, DType.F32), Vocabulary);
        double largest = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(largest <= 1e-4, $"log probabilities differ by {largest:E2}");
    }

    [Fact]
    public void A_sequence_decoded_alone_and_among_others_has_the_same_bits()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        int[] ids = SmallModel.Ids(Lengths.Sum(), Vocabulary);
        float[] together = Chunked(model, ids, 1, DType.F32);
        float[] alone = ChunkedOf(model, ids[..Lengths[0]], [Lengths[0]], 1, DType.F32);
        Assert.Equal(alone, together[..alone.Length]);
    }

    [Fact]
    public void A_bf16_cache_under_a_bf16_model_stays_within_one_percent()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(), type: DType.BF16, scale: 0.15f);
        int[] ids = SmallModel.Ids(Lengths.Sum(), Vocabulary);
        double[] expected = SmallModel.LogProbabilities(SmallModel.Logits(_device, model, ids, Lengths), Vocabulary);
        double[] actual = SmallModel.LogProbabilities(Chunked(model, ids, 3, DType.BF16), Vocabulary);
        double mean = expected.Zip(actual, (a, b) => Math.Exp(Math.Abs(a - b))).Average();
        Assert.InRange(mean, 1.0000001, 1.01);
    }

    [Fact]
    public void A_truncated_sequence_continues_as_if_the_rest_had_never_been()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        int[] ids = SmallModel.Ids(12, Vocabulary);
        int[] other = SmallModel.Ids(6, Vocabulary, 1234);
        using var cache = new KeyValueCache(model.Configuration, 1, 12, DType.F32);
        Feed(model, cache, ids.AsSpan(0, 5), new SequenceSpan(0, 5, 0, 0));
        Feed(model, cache, other, new SequenceSpan(0, 6, 5, 0));
        cache.Truncate(0, 5);
        float[] resumed = Feed(model, cache, ids.AsSpan(5, 7), new SequenceSpan(0, 7, 5, 0));
        using var fresh = new KeyValueCache(model.Configuration, 1, 12, DType.F32);
        Feed(model, fresh, ids.AsSpan(0, 5), new SequenceSpan(0, 5, 0, 0));
        Assert.Equal(Feed(model, fresh, ids.AsSpan(5, 7), new SequenceSpan(0, 7, 5, 0)), resumed);
        Assert.Equal(12, cache.Length(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(0, 13));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(0, -1));
    }

    [Fact]
    public void A_step_that_does_not_fit_the_cache_is_refused_before_anything_is_written()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var cache = new KeyValueCache(model.Configuration, 2, 4, DType.F32);
        int[] ids = SmallModel.Ids(5, Vocabulary);
        Feed(model, cache, ids.AsSpan(0, 3), new SequenceSpan(0, 3, 0, 1));
        AssertRefused(model, cache, ids, "1 ", new SequenceSpan(0, 2, 3, 1));
        AssertRefused(model, cache, ids, "0 ", new SequenceSpan(0, 5, 0, 0));
        AssertRefused(model, cache, ids, "0 ", new SequenceSpan(0, 1, 1_000_000, 0));
        AssertRefused(model, cache, ids, "1 ", new SequenceSpan(0, 1, 2, 1));
        AssertRefused(model, cache, ids, "two parts", new SequenceSpan(0, 1, 0, 0), new SequenceSpan(1, 1, 0, 0));
        Assert.Equal((0, 3), (cache.Length(0), cache.Length(1)));
    }

    [Fact]
    public void Layers_without_attention_take_no_room()
    {
        ImmutableArray<LayerConfiguration> layers = [new(SmallModel.NoMixer, new SwiGluConfiguration(8)), new(new LinearMixerConfiguration(), SmallModel.NoFeedForward)];
        using var cache = new KeyValueCache(SmallModel.Configuration(layers), 1000, 1000, DType.F32);
        Assert.Equal(0, cache.Bytes);
    }

    [Fact]
    public void A_later_part_without_a_cache_and_a_cache_under_a_tape_are_refused()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var arena = new Arena("test");
        using var tape = new Tape(_device);
        int[] ids = SmallModel.Ids(2, Vocabulary);
        var later = StepBatch.Create(arena, ids, [new SequenceSpan(0, 2, 3, 0)]);
        Assert.Throws<InvalidOperationException>(() => model.Forward(new Executor(_device, arena, null), later));
        using var cache = new KeyValueCache(model.Configuration, 1, 4, DType.F32);
        Assert.Throws<InvalidOperationException>(
            () => model.Forward(new Executor(_device, arena, tape), StepBatch.Single(arena, ids), cache));
    }

    [Fact]
    public void Spans_that_leave_rows_out_are_refused()
    {
        using var arena = new Arena("test");
        int[] ids = [1, 2, 3, 4];
        Assert.Throws<ArgumentException>(() => StepBatch.Packed(arena, ids, [3]));
        Assert.Throws<ArgumentException>(() => StepBatch.Packed(arena, ids, [3, 2]));
        Assert.Throws<ArgumentException>(() => StepBatch.Packed(arena, ids, [4, 0]));
        Assert.Throws<ArgumentException>(() => StepBatch.Create(arena, ids, [new SequenceSpan(1, 3, 0, 0)]));
        Assert.Throws<ArgumentException>(() => StepBatch.Create(arena, ids, [new SequenceSpan(0, 4, -1, 0)]));
        Assert.Throws<ArgumentException>(() => StepBatch.Create(arena, ids, [new SequenceSpan(0, 4, int.MaxValue, 0)]));
        Assert.Equal(7, StepBatch.Create(arena, ids, [new SequenceSpan(0, 1, 6, 0), new SequenceSpan(1, 3, 0, 1)]).PositionLimit);
    }

    public void Dispose() => _device.Dispose();

    private void AssertRefused(Decoder model, KeyValueCache cache, int[] ids, string part, params SequenceSpan[] spans)
    {
        int rows = spans.Sum(span => span.Count);
        var error = Assert.Throws<InvalidOperationException>(() => Feed(model, cache, ids.AsSpan(0, rows), spans));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    private float[] Feed(Decoder model, KeyValueCache cache, ReadOnlySpan<int> ids, params SequenceSpan[] spans)
    {
        using var arena = new Arena("step");
        var executor = new Executor(_device, arena, null);
        return SmallModel.Copy(executor.Linear(model.Forward(executor, StepBatch.Create(arena, ids, spans), cache), model.Head));
    }

    private float[] Chunked(Decoder model, int[] ids, int piece, DType type) => ChunkedOf(model, ids, Lengths, piece, type);

    /// <summary>Feeds all sequences side by side, at most so many tokens of each a step; logits in the order of the ids.</summary>
    private float[] ChunkedOf(Decoder model, int[] ids, int[] lengths, int piece, DType type)
    {
        using var cache = new KeyValueCache(model.Configuration, lengths.Length, lengths.Max(), type);
        var result = new float[ids.Length * Vocabulary];
        int[] starts = [.. lengths.Select((_, i) => lengths[..i].Sum())];
        while (true)
        {
            var step = new List<int>();
            var spans = new List<SequenceSpan>();
            for (int s = 0; s < lengths.Length; s++)
            {
                int past = cache.Length(s);
                int count = Math.Min(piece, lengths[s] - past);
                if (count > 0)
                {
                    spans.Add(new SequenceSpan(step.Count, count, past, s));
                    step.AddRange(ids.AsSpan(starts[s] + past, count));
                }
            }

            if (spans.Count == 0)
            {
                return result;
            }

            float[] logits = Feed(model, cache, step.ToArray(), [.. spans]);
            foreach (var span in spans)
            {
                Array.Copy(
                    logits, span.Start * Vocabulary, result, (starts[span.Slot] + span.Past) * Vocabulary, span.Count * Vocabulary);
            }
        }
    }
}
