using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    /// <summary>The formula of <see cref="Forward"/> with one double accumulator an element, for tests.</summary>
    /// <returns>X·Wᵀ, dense [tokens, outputs].</returns>
    public static double[] Reference(float* input, long inputStride, in MatrixView weight, int tokens)
    {
        var result = new double[(long)tokens * weight.Rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int o = 0; o < weight.Rows; o++)
            {
                double sum = 0;
                for (int i = 0; i < weight.Columns; i++)
                {
                    long index = (o * weight.Stride) + i;
                    float w = weight.Type == DType.BF16 ? Bf16.Widen(weight.Halves[index]) : weight.Floats[index];
                    sum += (double)input[(t * inputStride) + i] * w;
                }

                result[((long)t * weight.Rows) + o] = sum;
            }
        }

        return result;
    }
}
