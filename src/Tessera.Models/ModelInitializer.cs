using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Tensors;

namespace Tessera.Models;

/// <summary>
/// Fresh weights: gains 1, biases 0, matrices normal with standard deviation 0.02, those that write into the residual stream
/// 0.02 / sqrt(2·layers) (GPT-2's scaling).
/// </summary>
public static unsafe class ModelInitializer
{
    private const float Deviation = 0.02f;

    // What is in f32 at a time of a matrix that is stored with scales.
    private const long PortionBytes = 64L << 20;

    /// <summary>Fills a model from a seed; every parameter has its own stream, so the result does not depend on order.</summary>
    /// <remarks>
    /// A device fills its own memory: nothing is copied from the host. A card's numbers can differ from the processor's in the last place of
    /// f32, as <see cref="RandomFill"/> says, and nothing else in what is made of them.
    /// </remarks>
    /// <param name="model">Its weights are assigned.</param>
    /// <param name="seed">Seed of the numbers.</param>
    /// <param name="device">Draws the numbers where the weights lie, if they are its; null for one thread of the host.</param>
    public static void Fill(Decoder model, ulong seed, Device? device = null)
    {
        foreach (var (parameter, draw) in Draws(model))
        {
            if (device is not null && device.Memory == parameter.Memory)
            {
                Fill(device, parameter, seed, draw);
            }
            else if (parameter.Decays)
            {
                FillGaussian(parameter, seed, draw.Stream, draw.Deviation);
            }
            else
            {
                parameter.Write(0, parameter.Rows, (_, view) => new Span<float>(view.Floats, view.Rows * view.Columns).Fill(draw.Value));
            }
        }
    }

    /// <summary>How each parameter of a model is drawn: its stream of random numbers and their deviation, or the constant of a gain or bias.</summary>
    internal static IEnumerable<(Parameter Parameter, Draw Draw)> Draws(Decoder model)
    {
        float residualDeviation = Deviation / MathF.Sqrt(2f * Math.Max(1, model.Layers.Count));
        var intoResidual = new HashSet<Parameter>(model.Layers.SelectMany(layer => IntoResidual(layer.Mixer).Concat(IntoResidual(layer.FeedForward))));
        var biases = new HashSet<Parameter>(
            model.Layers.SelectMany(layer => (layer.Mixer?.Biases ?? []).Concat(layer.FeedForward?.Biases ?? [])));
        ulong stream = 0;
        foreach (var parameter in model.Parameters)
        {
            float deviation = intoResidual.Contains(parameter) ? residualDeviation : Deviation;
            yield return (parameter, new Draw(stream++, deviation, biases.Contains(parameter) ? 0f : 1f));
        }
    }

    private static IEnumerable<Parameter> IntoResidual(SubBlock? block) => block switch
    {
        AttentionBlock attention => [attention.Output],
        SwiGluBlock swiGlu => [swiGlu.Down],
        LinearBlock linear => [linear.Weight],
        _ => [],
    };

    /// <summary>Fills a parameter that lies in a device's memory.</summary>
    internal static void Fill(Device device, Parameter parameter, ulong seed, Draw draw)
    {
        if (!parameter.Decays)
        {
            RandomFill.Constant(device, parameter.Elements, parameter.Count, draw.Value);
        }
        else if (parameter.Type.HasScales())
        {
            FillRounded(device, parameter, seed, draw.Stream, draw.Deviation);
        }
        else
        {
            RandomFill.Gaussian(device, parameter.Elements, parameter.Count, seed, draw.Stream, 0, draw.Deviation);
        }

        parameter.MarkChanged();
    }

    /// <summary>Draws some rows at a time in f32 and rounds them into their place.</summary>
    private static void FillRounded(Device device, Parameter parameter, ulong seed, ulong stream, float deviation)
    {
        int most = (int)Math.Clamp(PortionBytes / ((long)parameter.Columns * sizeof(float)), 1, parameter.Rows);
        using var arena = device.CreateArena("fresh weights");
        float* portion = arena.Floats((long)most * parameter.Columns);
        for (int row = 0; row < parameter.Rows; row += most)
        {
            int rows = Math.Min(most, parameter.Rows - row);
            long first = (long)row * parameter.Columns;
            RandomFill.Gaussian(device, portion, (long)rows * parameter.Columns, seed, stream, first, deviation);
            if (parameter.Type == DType.FP8)
            {
                Fp8Matrix.Store(device, parameter.Master, row, rows, portion, parameter.Columns);
            }
            else
            {
                GroupedMatrix.Store(device, parameter.Master, row, rows, portion, parameter.Columns);
            }
        }
    }

    private static void FillGaussian(Parameter parameter, ulong seed, ulong stream, float deviation)
    {
        var random = new CounterRandom(seed, stream);
        if (parameter.Type.HasScales())
        {
            using var device = new CpuDevice();
            RoundedRows.Fill(device, parameter, 0, parameter.Rows, (_, rows, target) =>
            {
                for (long i = 0; i < (long)rows * parameter.Columns; i++)
                {
                    target[i] = random.NextGaussian() * deviation;
                }
            });
            return;
        }

        parameter.Write(0, parameter.Rows, (_, view) =>
        {
            for (long i = 0; i < (long)view.Rows * view.Columns; i++)
            {
                float value = random.NextGaussian() * deviation;
                if (view.Type == DType.F32)
                {
                    view.Floats[i] = value;
                }
                else
                {
                    view.Halves[i] = Bf16.Round(value);
                }
            }
        });
    }

    /// <summary>How a parameter is drawn.</summary>
    /// <param name="Stream">Of the random numbers of a matrix.</param>
    /// <param name="Deviation">Of those numbers.</param>
    /// <param name="Value">What a gain or bias is filled with.</param>
    internal readonly record struct Draw(ulong Stream, float Deviation, float Value);
}
