using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Models.Tests;

public sealed class StepExtentTests
{
    [Fact]
    public void Extents_cover_every_step_in_few_sizes()
    {
        var rows = new SortedSet<int>();
        for (int count = 1; count <= 4096; count++)
        {
            var extent = StepExtent.Covering(count, 1);
            Assert.True(extent.Rows >= count && extent.Rows <= (count <= 64 ? 2 * count : count * 5 / 4), $"{count} rows: {extent}");
            Assert.Equal(extent, StepExtent.Covering(extent.Rows, 1));
            rows.Add(extent.Rows);
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320], rows.Take(16));
        Assert.Equal(31, rows.Count);
        foreach (var (positions, covered) in ((int, int)[])[(1, 256), (256, 256), (257, 512), (8192, 8192), (8193, 16384)])
        {
            Assert.Equal(new StepExtent(1, covered), StepExtent.Covering(1, positions));
        }

        Assert.Equal(int.MaxValue, StepExtent.Covering(1, int.MaxValue).Positions);
        Assert.Throws<ArgumentOutOfRangeException>(() => StepExtent.Covering(0, 1));
    }

    [Fact]
    public void Padding_changes_no_bit_of_the_sequences_rows()
    {
        using var device = new CpuDevice(2);
        using var model = SmallModel.Create(SmallModel.Configuration());
        int[][] documents = [.. Enumerable.Range(0, 3).Select(i => SmallModel.Ids(9, 41, (ulong)i))];
        var plain = Decode(default);
        foreach (var extent in (StepExtent[])[new(3, 9), new(4, 256), new(11, 300)])
        {
            Assert.Equal(plain, Decode(extent));
        }

        float[] Decode(StepExtent extent)
        {
            using var arena = new Arena("step");
            using var cache = new KeyValueCache(model.Configuration, 3, 20, DType.F32);
            var logits = new List<float>();
            for (int t = 0; t < 9; t++)
            {
                arena.Reset();
                var executor = new Executor(device, arena, null) { IsInvariant = true };
                var step = StepBatch.Create(
                    arena, [.. documents.Select(ids => ids[t])], [.. Enumerable.Range(0, 3).Select(s => new SequenceSpan(s, 1, t, s))], extent);
                Assert.Equal(Math.Max(3, extent.Rows), step.Tokens);
                float[] all = SmallModel.Copy(executor.Linear(model.Forward(executor, step, cache), model.Head));
                logits.AddRange(all.Take(3 * 41));
            }

            Assert.Equal(9, cache.Length(2));
            return [.. logits];
        }
    }

    [Fact]
    public void An_extent_that_is_too_small_and_a_padded_step_without_a_cache_are_refused()
    {
        using var device = new CpuDevice(1);
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var arena = new Arena("step");
        SequenceSpan[] spans = [new(0, 2, 0, 0)];
        Assert.Throws<ArgumentException>(() => StepBatch.Create(arena, [1, 2], spans, new StepExtent(1, 256)));
        Assert.Throws<ArgumentException>(() => StepBatch.Create(arena, [1, 2], spans, new StepExtent(4, 1)));
        var padded = StepBatch.Create(arena, [1, 2], spans, new StepExtent(4, 256));
        var error = Assert.Throws<InvalidOperationException>(() => model.Forward(new Executor(device, arena, null), padded));
        Assert.Contains("a padded step needs a cache", error.Message, StringComparison.Ordinal);
    }
}
