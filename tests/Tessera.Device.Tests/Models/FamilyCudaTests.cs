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
        Action<float[], string> assertClose = type == DType.F32 ? InF32(source, ids) : new Bf16Expectation(source, [ids]).AssertClose;
        assertClose(CardModel.Logits(card, model, ids), "at once");
        foreach (int piece in (int[])[1, 7, 64, 100])
        {
            assertClose(Cached(card, model, ids, piece, type), $"in pieces of {piece}");
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

    private static Action<float[], string> InF32(Decoder source, int[] ids)
    {
        double[] expected = new ReferenceDecoder(source).Logits(ids);
        return (logits, what) =>
        {
            double distance = CardModel.Distance(expected, logits);
            Assert.True(distance <= 1e-4, $"{what}: logits differ by {distance:E2} of the largest");
        };
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
