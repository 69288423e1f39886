using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Tests.Fusion;

/// <summary>Layers in double precision, straight from their formulas.</summary>
internal static class FusedSum
{
    /// <summary>FFN(RMSNorm(x)) of one SwiGLU with its own gain and biases.</summary>
    public static double[] SwiGlu(SwiGluBlock block, double[] x, double epsilon)
    {
        double[] input = Normalise(block.Norm, x, epsilon);
        double[] gateUp = Product(block.GateUp, input), bias = block.GateUpBias is { } b ? Values(b) : new double[gateUp.Length];
        double[] activated = new double[block.Width];
        for (int i = 0; i < block.Width; i++)
        {
            double gate = gateUp[i] + bias[i], up = gateUp[block.Width + i] + bias[block.Width + i];
            activated[i] = gate / (1 + Math.Exp(-gate)) * up;
        }

        double[] output = Product(block.Down, activated);
        return block.DownBias is { } offset ? [.. output.Zip(Values(offset), (o, v) => o + v)] : output;
    }

    /// <summary>W · RMSNorm(x) of a linear map.</summary>
    public static double[] Linear(LinearBlock block, double[] x, double epsilon) => Product(block.Weight, Normalise(block.Norm, x, epsilon));

    public static unsafe double[] Values(Parameter parameter)
    {
        double[] values = new double[parameter.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = parameter.Floats[i];
        }

        return values;
    }

    private static double[] Normalise(Parameter gain, double[] x, double epsilon)
    {
        double scale = 1 / Math.Sqrt((x.Sum(v => v * v) / x.Length) + epsilon);
        return [.. x.Zip(Values(gain), (v, g) => v * scale * g)];
    }

    private static unsafe double[] Product(Parameter matrix, double[] x)
    {
        double[] result = new double[matrix.Rows];
        for (int r = 0; r < matrix.Rows; r++)
        {
            for (int c = 0; c < matrix.Columns; c++)
            {
                result[r] += matrix.Floats[((long)r * matrix.Columns) + c] * x[c];
            }
        }

        return result;
    }
}
