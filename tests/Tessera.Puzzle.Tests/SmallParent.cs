using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Training.Data;

namespace Tessera.Puzzle.Tests;

/// <summary>A random three-layer parent and calibration batches, small enough for exact checks.</summary>
internal sealed class SmallParent : IDisposable
{
    public const int Vocabulary = 40;

    public SmallParent(int kvHeads = 4, int width = 48, Func<LayerConfiguration, LayerConfiguration>? change = null)
        : this(kvHeads, width, change, null)
    {
    }

    private SmallParent(int kvHeads, int width, Func<LayerConfiguration, LayerConfiguration>? change, LayerConfiguration[]? layers)
    {
        var layer = new LayerConfiguration(new AttentionConfiguration(kvHeads), new SwiGluConfiguration(width));
        Device = new CpuDevice(2);
        Configuration = new ModelConfiguration
        {
            VocabularySize = Vocabulary,
            HiddenSize = 32,
            HeadCount = 4,
            HeadDim = 8,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 10000,
            MaxPositions = 64,
            TieEmbeddings = true,
            StorageType = DType.F32,
            BosTokenId = 1,
            EosTokenIds = [2],
            Layers = [.. layers ?? Enumerable.Repeat(change is null ? layer : change(layer), 3)],
        };
        Model = Decoder.Allocate(Configuration, DType.F32);
        ModelInitializer.Fill(Model, 5);
        Enlarge();
    }

    /// <summary>A model of given layers, whose gains and biases are not those of a fresh one.</summary>
    public static SmallParent Of(params LayerConfiguration[] layers)
    {
        var small = new SmallParent(4, 48, null, layers);
        foreach (var (i, parameter) in small.Model.Parameters.Where(p => !p.Decays).Index())
        {
            var random = new CounterRandom(31, (ulong)i);
            float centre = parameter.Rows == 1 ? 1 : 0;
            parameter.Edit(0, parameter.Rows, (_, values) =>
            {
                for (int k = 0; k < values.Rows * values.Columns; k++)
                {
                    Set(values, k, centre + random.NextSingle() - 0.5f);
                }
            });
        }

        return small;
    }

    public CpuDevice Device { get; }

    public ModelConfiguration Configuration { get; }

    public Decoder Model { get; }

    public SmallStates States(int seed, int batches = 2) =>
        new(Device, Model, Enumerable.Range(0, batches).Select(i => Batch(seed + i)));

    public static PackedBatch Batch(int seed)
    {
        var random = new CounterRandom((ulong)seed, 9);
        var documents = new List<TokenDocument>();
        foreach (int length in (int[])[17, 9, 22, 16])
        {
            int[] ids = new int[length];
            for (int i = 0; i < length; i++)
            {
                ids[i] = random.Next(Vocabulary);
            }

            documents.Add(TokenDocument.Uniform(ids));
        }

        return BatchPacker.Pack(documents, 64, 64);
    }

    public void Dispose()
    {
        Model.Dispose();
        Device.Dispose();
    }

    /// <summary>Fresh weights are so small that every block is nearly the identity; a trained model's are not.</summary>
    private unsafe void Enlarge()
    {
        foreach (var parameter in Model.Parameters.Where(p => p.Decays))
        {
            for (long i = 0; i < parameter.Count; i++)
            {
                parameter.Floats[i] *= 6;
            }
        }
    }

    private static unsafe void Set(Kernels.MatrixView values, int index, float value) => values.Floats[index] = value;
}
