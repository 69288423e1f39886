using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    /// <summary>
    /// The formula of <see cref="Forward"/> in double, from the definition and the weight's values: tokens rounded group by group to
    /// signed bytes times magnitude / 127, ties to even.
    /// </summary>
    /// <returns>X·Wᵀ, dense [tokens, outputs].</returns>
    public static double[] Reference(float* input, long inputStride, in MatrixView weight, int tokens)
    {
        var result = new double[(long)tokens * weight.Rows];
        var rounded = new double[tokens, weight.Columns];
        for (int t = 0; t < tokens; t++)
        {
            for (int first = 0; first < weight.Columns; first += DTypes.GroupElements)
            {
                int end = Math.Min(first + DTypes.GroupElements, weight.Columns);
                double magnitude = 0;
                for (int i = first; i < end; i++)
                {
                    magnitude = Math.Max(magnitude, Math.Abs(input[(t * inputStride) + i]));
                }

                float scale = (float)magnitude / 127, factor = 127 / (float)magnitude;
                for (int i = first; i < end && magnitude > 0; i++)
                {
                    rounded[t, i] = Math.Round((double)(input[(t * inputStride) + i] * factor), MidpointRounding.ToEven) * scale;
                }
            }
        }

        var row = new float[weight.Columns];
        fixed (float* values = row)
        {
            for (int o = 0; o < weight.Rows; o++)
            {
                GroupedMatrix.LoadRow(weight, o, values);
                for (int t = 0; t < tokens; t++)
                {
                    double sum = 0;
                    for (int i = 0; i < weight.Columns; i++)
                    {
                        sum += rounded[t, i] * row[i];
                    }

                    result[((long)t * weight.Rows) + o] = sum;
                }
            }
        }

        return result;
    }
}
