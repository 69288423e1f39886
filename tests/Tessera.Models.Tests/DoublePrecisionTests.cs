using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests;

/// <summary>
/// Whole models against <see cref="ReferenceDecoder"/> on the same weights, in f32 and in bf16 storage, at once and through
/// the cache. Bounds are relative to the largest logit, as transformers' own numbers are of size 1.
/// </summary>
public sealed class DoublePrecisionTests : IDisposable
{
    private const double Bound = 2e-5;

    /// <summary>More than two pages of the cache, and not a whole number of them.</summary>
    private const int Length = 150;

    private readonly CpuDevice _device = new(2);

    public static TheoryData<string, DType> Models()
    {
        var data = new TheoryData<string, DType>();
        foreach (string name in FamilyModels.Configurations.Keys.Order(StringComparer.Ordinal))
        {
            data.Add(name, DType.F32);
            data.Add(name, DType.BF16);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_family_computes_the_formulas(string name, DType type)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name], type: type);
        int[] ids = SmallModel.Ids(Length, FamilyModels.Vocabulary);
        double[] expected = new ReferenceDecoder(model).Logits(ids);
        AssertClose(expected, SmallModel.Logits(_device, model, ids), "at once");
        foreach (int piece in (int[])[1, 7, 64, 100])
        {
            AssertClose(expected, Cached(model, ids, piece), $"in pieces of {piece}");
        }
    }

    [Theory]
    [MemberData(nameof(FamilyModels.Names), MemberType = typeof(FamilyModels))]
    public void The_parts_of_a_family_matter(string name)
    {
        // Were a bias, a gain or a window without effect, agreement with the formulas would say nothing about it.
        var configuration = FamilyModels.Configurations[name];
        using var model = SmallModel.Create(configuration);
        int[] ids = SmallModel.Ids(Length, FamilyModels.Vocabulary);
        double[] expected = new ReferenceDecoder(model).Logits(ids);
        foreach (var slice in WeightMap.Slices(model).Where(slice => slice.IsVector))
        {
            unsafe
            {
                var values = new Span<float>((void*)slice.Parameter.RowsView(slice.RowStart, slice.Rows).Address, (int)slice.Shape[0]);
                float[] kept = values.ToArray();
                values.Clear();
                float[] changed = SmallModel.Logits(_device, model, ids);
                kept.CopyTo(values);

                // Softmax does not see a number that is the same for all keys: a key's bias acts through the rotation alone.
                Assert.True(Distance(expected, changed) > 1e-4, $"{slice.Name} has no effect");
            }
        }
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("llama3_tied_headdim")]
    [InlineData("nemotron_nas")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("mistral_window")]
    public void Published_shapes_stored_in_bf16_compute_the_formulas_on_the_rounded_weights(string name)
    {
        using var fixture = new ParityFixture(name);
        using var reference = fixture.OpenReference();
        int[] ids = [.. reference.ReadInt64("input_ids").Select(id => (int)id)];
        foreach (var type in (DType[])[DType.F32, DType.BF16])
        {
            using var model = ModelFolder.Load(fixture.Folder, type);
            var formulas = new ReferenceDecoder(model);
            double[] expected = [.. formulas.Logits(ids.AsSpan(0, 48)), .. formulas.Logits(ids.AsSpan(48, 48))];
            float[] actual = SmallModel.Logits(_device, model, ids, 48, 48);
            double difference = expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max();
            Assert.True(difference <= Bound, $"{type}: logits differ by {difference:E2}");
            AssertClose(expected, actual, $"{type}");
            float[] published = ParityFixture.ReadFloats(reference, "logits");
            double fromPublished = expected.Zip(published, (e, p) => Math.Abs(e - p)).Max();
            Assert.True(type == DType.F32 ? fromPublished <= Bound : fromPublished > Bound, $"{type}: transformers differs by {fromPublished:E2}");
        }
    }

    public void Dispose() => _device.Dispose();

    private static void AssertClose(double[] expected, float[] actual, string how)
    {
        double distance = Distance(expected, actual), error = Errors.RelativeL2(actual, expected);
        Assert.True(distance <= Bound && error <= Bound, $"{how}: logits differ by {distance:E2} of the largest, {error:E2} in all");
    }

    private static double Distance(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        return expected.Zip(actual, (e, a) => float.IsNaN(a) ? double.PositiveInfinity : Math.Abs(e - a)).Max() / expected.Max(Math.Abs);
    }

    /// <summary>Logits of a document that enters the cache in pieces, behind another sequence whose pages lie between its own.</summary>
    private float[] Cached(Decoder model, int[] ids, int piece)
    {
        using var cache = KeyValueCache.Shared(model.Configuration, 2, 192, 6, DType.F32);
        for (int page = 0; page < 6; page++)
        {
            cache.Assign(page % 2, 5 - page);
        }

        var logits = new List<float>();
        while (cache.Length(0) < ids.Length)
        {
            using var arena = new Arena("step");
            var executor = new Executor(_device, arena, null);
            int past = cache.Length(0), count = Math.Min(piece, ids.Length - past);
            int[] rows = [.. ids.AsSpan(past, count), ids[past]];
            var step = StepBatch.Create(arena, rows, [new SequenceSpan(0, count, past, 0), new SequenceSpan(count, 1, cache.Length(1), 1)]);
            float[] all = SmallModel.Copy(executor.Linear(model.Forward(executor, step, cache), model.Head));
            logits.AddRange(all[..(count * FamilyModels.Vocabulary)]);
        }

        return [.. logits];
    }
}
