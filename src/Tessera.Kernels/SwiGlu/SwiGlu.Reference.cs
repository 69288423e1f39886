namespace Tessera.Kernels;

public static unsafe partial class SwiGlu
{
    /// <summary>The formula of <see cref="Forward"/> in double.</summary>
    public static void ReferenceForward(ReadOnlySpan<double> gateUp, Span<double> h, int tokens, int width)
    {
        for (int t = 0; t < tokens; t++)
        {
            for (int i = 0; i < width; i++)
            {
                double gate = gateUp[(2 * t * width) + i], up = gateUp[(2 * t * width) + width + i];
                h[(t * width) + i] = gate / (1.0 + Math.Exp(-gate)) * up;
            }
        }
    }

    /// <summary>The formula of <see cref="Backward"/> in double.</summary>
    public static void ReferenceBackward(
        ReadOnlySpan<double> gateUp, ReadOnlySpan<double> gradH, Span<double> gradGateUp, int tokens, int width)
    {
        for (int t = 0; t < tokens; t++)
        {
            for (int i = 0; i < width; i++)
            {
                int row = 2 * t * width;
                double gate = gateUp[row + i], up = gateUp[row + width + i], gradient = gradH[(t * width) + i];
                double sigmoid = 1.0 / (1.0 + Math.Exp(-gate));
                gradGateUp[row + i] = gradient * up * sigmoid * (1.0 + (gate * (1.0 - sigmoid)));
                gradGateUp[row + width + i] = gradient * gate * sigmoid;
            }
        }
    }
}
