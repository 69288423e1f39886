using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Tests;
using Tessera.Tensors;

namespace Tessera.Device.Tests.Models;

/// <summary>Whole models of every family against the formulas in double precision on the same rounded weights.</summary>
[Trait("Category", Card.Category)]
public sealed class FamilyCudaTests
{
    /// <summary>More than two pages of the cache, and not a whole number of them.</summary>
    private const int Length = 150;

    private const int Pages = 6;

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
        using var card = Card.Open(type);
        using var source = SmallModel.Create(FamilyModels.Configurations[name], type: type);
        using var model = CardModel.Copy(card, source, type);
        int[] ids = SmallModel.Ids(Length, FamilyModels.Vocabulary);
        double[] expected = new ReferenceDecoder(source).Logits(ids);
        double bound = Bound(source, type, ids, expected);
        double distance = CardModel.Distance(expected, CardModel.Logits(card, model, ids));
        Assert.True(distance <= bound, $"at once: logits differ by {distance:E2} of the largest");
        foreach (int piece in (int[])[1, 7, 64, 100])
        {
            distance = CardModel.Distance(expected, Cached(card, model, ids, piece, type));
            Assert.True(distance <= bound, $"in pieces of {piece}: logits differ by {distance:E2} of the largest");
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void The_same_step_gives_the_same_bits(string name, DType type)
    {
        using var card = Card.Open(type);
        using var source = SmallModel.Create(FamilyModels.Configurations[name], type: type);
        using var model = CardModel.Copy(card, source, type);
        int[] ids = SmallModel.Ids(Length, FamilyModels.Vocabulary);
        Assert.Equal(CardModel.Logits(card, model, ids, 90, 60), CardModel.Logits(card, model, ids, 90, 60));
        Assert.Equal(Cached(card, model, ids, 7, type), Cached(card, model, ids, 7, type));
    }

    /// <summary>
    /// Of the largest logit. These models have large weights and few channels, so that every part matters: in bf16 rounding alone
    /// leads them away from the formulas, and a card may be led about as far.
    /// </summary>
    private static double Bound(Decoder source, DType type, int[] ids, double[] expected)
    {
        if (type == DType.F32)
        {
            return 1e-4;
        }

        double[] rounded = new ReferenceDecoder(source) { StoresBf16 = true }.Logits(ids);
        return 1e-2 + (2 * CardModel.Distance(expected, [.. rounded.Select(value => (float)value)]));
    }

    /// <summary>Logits of a document that enters the cache in pieces, behind another sequence whose pages lie between its own.</summary>
    private static float[] Cached(CudaDevice card, Decoder model, int[] ids, int piece, DType type)
    {
        using var cache = KeyValueCache.Shared(model.Configuration, 2, 192, Pages, type, card.Memory);
        for (int page = 0; page < Pages; page++)
        {
            cache.Assign(page % 2, Pages - 1 - page);
        }

        var logits = new List<float>();
        using var arena = card.CreateArena("step");
        while (cache.Length(0) < ids.Length)
        {
            arena.Reset();
            var executor = new Executor(card, arena, null);
            int past = cache.Length(0), count = Math.Min(piece, ids.Length - past);
            int[] rows = [.. ids.AsSpan(past, count), ids[past]];
            var step = StepBatch.Create(arena, rows, [new SequenceSpan(0, count, past, 0), new SequenceSpan(count, 1, cache.Length(1), 1)]);
            float[] all = CardModel.Floats(card, executor.Logits(model.Forward(executor, step, cache), model.Head));
            logits.AddRange(all[..(count * FamilyModels.Vocabulary)]);
        }

        return [.. logits];
    }
}
