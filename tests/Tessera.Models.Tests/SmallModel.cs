using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Tests;

/// <summary>Small random models of every kind of block, with weights large enough that each block matters.</summary>
internal static unsafe class SmallModel
{
    public static readonly NoMixerConfiguration NoMixer = new();
    public static readonly NoFeedForwardConfiguration NoFeedForward = new();

    /// <summary>kv 1, 2 and 4, a linear mixer and none; SwiGLU of three widths, linear and none; two empty layers.</summary>
    public static ImmutableArray<LayerConfiguration> EveryKind { get; } =
    [
        new(new AttentionConfiguration(2), new SwiGluConfiguration(24)),
        new(NoMixer, NoFeedForward),
        new(new LinearMixerConfiguration(), new SwiGluConfiguration(9)),
        new(new AttentionConfiguration(1), new LinearFeedForwardConfiguration()),
        new(NoMixer, new SwiGluConfiguration(16)),
        new(new AttentionConfiguration(4), NoFeedForward),
        new(NoMixer, NoFeedForward),
    ];

    /// <summary>As <see cref="EveryKind"/> without linear maps, which a plain Llama can hold when padded.</summary>
    public static ImmutableArray<LayerConfiguration> Paddable { get; } =
    [
        new(new AttentionConfiguration(1), new SwiGluConfiguration(24)),
        new(NoMixer, new SwiGluConfiguration(9)),
        new(new AttentionConfiguration(4), NoFeedForward),
        new(NoMixer, NoFeedForward),
        new(new AttentionConfiguration(2), new SwiGluConfiguration(17)),
    ];

    public static ModelConfiguration Configuration(
        ImmutableArray<LayerConfiguration>? layers = null, bool tied = false, int vocabulary = 41, int hidden = 16) => new()
        {
            Architecture = ModelFamily.DeciLm,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            HeadCount = 4,
            HeadDim = hidden / 4,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 10_000,
            MaxPositions = 64,
            TieEmbeddings = tied,
            StorageType = DType.F32,
            Layers = layers ?? EveryKind,
        };

    public static Decoder Create(ModelConfiguration configuration, ulong seed = 1, DType type = DType.F32, float scale = 0.35f)
    {
        var model = Decoder.Allocate(configuration, type);
        ulong stream = 0;
        foreach (var parameter in model.Parameters)
        {
            var random = new CounterRandom(seed, stream++);
            for (long i = 0; i < parameter.Count; i++)
            {
                float value = parameter.Rows > 1 ? random.NextGaussian() * scale : 1f + (0.2f * random.NextGaussian());
                if (parameter.Type == DType.F32)
                {
                    ((float*)parameter.Address)[i] = value;
                }
                else
                {
                    ((ushort*)parameter.Address)[i] = Bf16.Round(value);
                }
            }

            parameter.MarkChanged();
        }

        return model;
    }

    /// <summary>Seeded token ids.</summary>
    public static int[] Ids(int count, int vocabulary, ulong seed = 5)
    {
        var random = new CounterRandom(seed, 99);
        var ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            ids[i] = random.Next(vocabulary);
        }

        return ids;
    }

    /// <summary>Logits [tokens, vocabulary] of documents laid one behind the other.</summary>
    public static float[] Logits(Tessera.Devices.Device device, Decoder model, ReadOnlySpan<int> ids, params ReadOnlySpan<int> lengths)
    {
        using var arena = new Arena("logits");
        var executor = new Executor(device, arena, null);
        var step = lengths.IsEmpty ? StepBatch.Single(arena, ids) : StepBatch.Packed(arena, ids, lengths);
        return Copy(executor.Linear(model.Forward(executor, step), model.Head));
    }

    /// <summary>Logits of one document by kernels whose sums do not depend on the number of tokens.</summary>
    public static float[] InvariantLogits(Tessera.Devices.Device device, Decoder model, ReadOnlySpan<int> ids)
    {
        using var arena = new Arena("logits");
        var executor = new Executor(device, arena, null) { IsInvariant = true };
        return Copy(executor.Linear(model.Forward(executor, StepBatch.Single(arena, ids)), model.Head));
    }

    public static float[] Copy(Tensor tensor) => new Span<float>(tensor.Data.Floats, (int)tensor.Count).ToArray();

    public static byte[] Bytes(Parameter parameter) => new Span<byte>((void*)parameter.Address, (int)parameter.Bytes).ToArray();

    public static byte[][] AllBytes(Decoder model) => [.. model.Parameters.Select(Bytes)];

    public static float LargestDifference(float[] left, float[] right)
    {
        Assert.Equal(left.Length, right.Length);
        return left.Zip(right, (a, b) => float.IsNaN(a) || float.IsNaN(b) ? float.PositiveInfinity : Math.Abs(a - b)).Max();
    }

    /// <summary>log softmax of every row, in double.</summary>
    public static double[] LogProbabilities(float[] logits, int vocabulary)
    {
        var result = new double[logits.Length];
        for (int row = 0; row < logits.Length; row += vocabulary)
        {
            double highest = logits.AsSpan(row, vocabulary).ToArray().Max();
            double sum = 0;
            for (int i = 0; i < vocabulary; i++)
            {
                sum += Math.Exp(logits[row + i] - highest);
            }

            for (int i = 0; i < vocabulary; i++)
            {
                result[row + i] = logits[row + i] - highest - Math.Log(sum);
            }
        }

        return result;
    }
}
