using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tests;
using Tessera.Tensors;

namespace Tessera.Device.Tests.Models;

/// <summary>Models on a card, and what they compute, brought back to the host.</summary>
internal static class CardModel
{
    /// <summary>A copy of a model of the processor's: written to a folder and loaded from there, as every user's is.</summary>
    public static Decoder Copy(CudaDevice card, Decoder model, DType type)
    {
        using var folder = new TemporaryFolder();
        ModelFolder.Save(folder.FullPath, model, type.HasScales() ? DType.F32 : type);
        return ModelFolder.Load(folder.FullPath, type, card);
    }

    /// <summary>Logits [tokens, vocabulary] of documents laid one behind the other.</summary>
    public static float[] Logits(CudaDevice card, Decoder model, ReadOnlySpan<int> ids, params ReadOnlySpan<int> lengths)
    {
        using var arena = card.CreateArena("logits");
        var executor = new Executor(card, arena, null);
        var step = lengths.IsEmpty ? StepBatch.Single(arena, ids) : StepBatch.Packed(arena, ids, lengths);
        return Floats(card, executor.Logits(model.Forward(executor, step), model.Head));
    }

    /// <summary>A tensor's elements as floats.</summary>
    public static float[] Floats(CudaDevice card, Tensor tensor) => Floats(card, tensor.Data, tensor.Count);

    /// <summary>Elements of the card's memory as floats.</summary>
    public static float[] Floats(CudaDevice card, Elements elements, long count)
    {
        var values = new float[count];
        if (elements.Type == DType.F32)
        {
            card.Download<float>(elements.Address, values);
            return values;
        }

        var halves = new ushort[count];
        card.Download<ushort>(elements.Address, halves);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Bf16.Widen(halves[i]);
        }

        return values;
    }

    /// <summary>The largest difference as a share of the largest number expected; infinite where a number is none.</summary>
    public static double Distance(IReadOnlyList<double> expected, IReadOnlyList<float> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        return expected.Zip(actual, (e, a) => float.IsNaN(a) ? double.PositiveInfinity : Math.Abs(e - a)).Max() / expected.Max(Math.Abs);
    }
}
