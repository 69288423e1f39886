using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Fp8Linear
{
    /// <summary>The formula of <see cref="Forward"/> in double, from the definition and the weight's bytes, on the processor.</summary>
    /// <param name="input">[tokens, weight.Columns].</param>
    /// <param name="inputStride">Elements from one token to the next.</param>
    /// <param name="weight">In the processor's memory.</param>
    /// <param name="tokens">Rows of input.</param>
    /// <param name="roundsTokens">Whether tokens are rounded to E4M3 with a scale each (many), or to bf16 (few).</param>
    /// <returns>X·Wᵀ, dense [tokens, outputs].</returns>
    public static double[] Reference(float* input, long inputStride, in MatrixView weight, int tokens, bool roundsTokens)
    {
        var result = new double[(long)tokens * weight.Rows];
        int inputs = weight.Columns;
        var rounded = new double[tokens * inputs];
        for (int t = 0; t < tokens; t++)
        {
            var values = new ReadOnlySpan<float>(input + (t * inputStride), inputs);
            RoundToken(values, rounded.AsSpan(t * inputs, inputs), roundsTokens);
        }

        var row = new double[inputs];
        for (int o = 0; o < weight.Rows; o++)
        {
            for (int i = 0; i < inputs; i++)
            {
                row[i] = Fp8.Widen(((byte*)weight.Address)[(o * weight.Stride) + i]);
            }

            for (int t = 0; t < tokens; t++)
            {
                double sum = 0;
                for (int i = 0; i < inputs; i++)
                {
                    sum += rounded[(t * inputs) + i] * row[i];
                }

                result[((long)t * weight.Rows) + o] = sum * ((float*)weight.Scales)[o];
            }
        }

        return result;
    }

    private static void RoundToken(ReadOnlySpan<float> values, Span<double> token, bool toFp8)
    {
        for (int i = 0; i < token.Length && !toFp8; i++)
        {
            token[i] = Bf16.Widen(Bf16.Round(values[i]));
        }

        float largest = 0;
        foreach (float value in values)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        float scale = float.IsFinite(largest) && largest > 0 ? largest / Fp8.Largest : 1;
        for (int i = 0; i < token.Length && toFp8; i++)
        {
            token[i] = (double)Fp8.Widen(Fp8.Round(values[i] / scale)) * scale;
        }
    }
}
